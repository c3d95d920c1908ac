// SPDX-License-Identifier: MIT
// The token of a stream, and user and password for a proxy, each in a file of its own that only its owner may read;
// keys are kept so, too.
//
// They arrive by copy and paste: a byte order mark, CR, LF, spaces and tabs around them are taken
// off. Every copy that these functions make on the stack is wiped.
//
// Memory: 1 KiB of stack. Threads: no state.
#pragma once

#include "port/linux/system.hpp"
#include "tocsin/limits.hpp"

namespace tocsin {

// Opens a file with a secret, a `name` as "token". Errors, with `why` in words and the command that helps: not_found
// (`missing` is added), io, bad_value (not a file; others may read it: refused before it is read).
Status open_secret(std::string_view path, std::string_view name, std::string_view missing, Fd& into, TextWriter& why);

// The token inside `raw`, without what surrounds it. Errors, with `why` in words and without a
// byte of the token: empty; too_big (above kMaxToken); bad_value (a space, control or non-ASCII
// character inside; quotes, or "Bearer " and the like, around it).
Result<std::string_view> clean_token(std::string_view raw, TextWriter& why);

// Reads the token of `path` into `into` and returns its length in bytes. Errors, with `why` in words
// and the command that helps: not_found, io, bad_value (others may read the file: refused before it
// is read; not a file; and as clean_token), empty, too_big (also for `into`). `into` is wiped then.
Result<std::size_t> read_token(std::string_view path, Span<char> into, TextWriter& why);

// The same for the API key of an account.
Result<std::size_t> read_api_key(std::string_view path, Span<char> into, TextWriter& why);

// The same for the secret of a webhook, of kLeastHookSecret characters at least. Errors as read_token(); bad_value also
// for a shorter one.
inline constexpr std::size_t kLeastHookSecret = 16;
Result<std::size_t> read_hook_secret(std::string_view path, Span<char> into, TextWriter& why);

// The same for "user:password" of a proxy. Errors as read_token(); bad_value also without a colon.
Result<std::size_t> read_proxy_login(std::string_view path, Span<char> into, TextWriter& why);

// Puts `bytes` in place of `path`, mode 0600, atomically. Durable: on the medium, too, the old file or the new one is
// there, whenever the power goes; without, nobody knows what is there after a power cut. Errors, with `why`: io.
enum class Durable : std::uint8_t { no, yes };
Status write_secret(std::string_view path, Bytes bytes, Durable durable, TextWriter& why);

// Puts the cleaned token in place of `path`, mode 0600, atomically and on the medium: the old file or
// the new one is there, whenever the power goes. Errors, with `why`: as clean_token; io.
Status write_token(std::string_view path, std::string_view token, TextWriter& why);

}  // namespace tocsin
