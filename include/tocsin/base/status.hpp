// SPDX-License-Identifier: MIT
// Errors as values: Code, Status, Result<T>, and the two macros TRY and TRY_LET.
//
// Conventions of the whole project, said once:
//   - An error that a caller can cause, or that the world can cause, is returned. An error that only
//     the programmer can cause is asserted (base/assert.hpp). No function does both for one condition.
//   - code() is for decisions, detail() for the log: an errno, a Mbed TLS code, an HTTP status.
//   - A Status is never dropped silently; `.ignore()` is the only way, and its line says why.
//
// Memory: 4 bytes, so that every ABI returns a Status in a register; no allocation. Threads: values, no sharing.
#pragma once

#include <cstdint>
#include <type_traits>

namespace tocsin {

enum class Code : std::uint8_t {
  ok,
  again,      // not now; wait for what the callee says, then repeat the call
  empty,      // nothing there
  full,       // no room until something else is removed
  too_big,    // will never fit; repeating is useless
  bad_value,  // the argument (a text, a number, a key) is not acceptable
  not_found,  // no such thing
  busy,       // somebody else holds it
  timeout,    // the deadline passed
  closed,     // the peer ended the connection in good order
  io,         // the device or the network failed; detail() is an errno
  tls,        // TLS failed or the certificate is wrong; detail() is Mbed TLS's
  protocol,   // the peer sent something outside the protocol
  corrupt,    // stored bytes fail their check
  refused,    // the peer turned it away, and took nothing of it
};

class [[nodiscard]] Status {
 public:
  constexpr Status() = default;
  // `detail` is kept in 24 bits, with its sign.
  constexpr Status(Code code, std::int32_t detail = 0)
      : packed_(static_cast<std::int32_t>(static_cast<std::uint32_t>(detail) << 8 | static_cast<std::uint32_t>(code))) {}

  constexpr bool ok() const { return code() == Code::ok; }
  constexpr Code code() const { return static_cast<Code>(packed_ & 0xFF); }
  constexpr std::int32_t detail() const { return packed_ >> 8; }
  constexpr void ignore() const {}

 private:
  std::int32_t packed_ = 0;
};

// A Status and, when it is ok, a value. T is trivially copyable, so there is nothing to destroy.
template <typename T>
class [[nodiscard]] Result {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  constexpr Result(Status status) : status_(status) {}
  constexpr Result(Code code, std::int32_t detail = 0) : status_(code, detail) {}
  constexpr Result(const T& value) : value_(value) {}

  constexpr bool ok() const { return status_.ok(); }
  constexpr Code code() const { return status_.code(); }
  constexpr Status status() const { return status_; }
  constexpr const T& value() const { return value_; }

 private:
  Status status_;
  T value_{};
};

// The word of a code, for a log line: "timeout".
const char* word(Code code);

#define TRY(call)                                              \
  do {                                                         \
    const ::tocsin::Status try_status_ = (call);               \
    if (!try_status_.ok()) return try_status_;                 \
  } while (0)

#define TRY_LET(name, call)                                    \
  const auto name##_result_ = (call);                          \
  if (!name##_result_.ok()) return name##_result_.status();    \
  const auto& name = name##_result_.value()

}  // namespace tocsin
