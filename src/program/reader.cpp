// SPDX-License-Identifier: MIT
#include "src/program/reader.hpp"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "src/program/state_files.hpp"

namespace tocsin {
namespace {

constexpr unsigned kMostLooks = 20;  // an owner at work makes a picture stale now and then, not always
constexpr unsigned kBelieved = 2;    // looks that find what the one before found
constexpr int kPauseMs = 10;         // an owner's job is done meanwhile

}  // namespace

Exit Reader::open(const DeviceConfig& device, TextWriter& why) {
  const Status opened = state_.open(device.state, IfAbsent::fail);
  if (opened.code() == Code::not_found && device.state_device.empty()) return Exit::done;
  FileStore* stores[] = {&even_, &odd_};
  Status failure = opened.code() == Code::not_found ? Status{} : opened;
  const bool on_device = failure.ok() && !device.state_device.empty();
  if (on_device) {
    StoreFile halves[2];
    char words[300];
    TextWriter reason(words);
    failure = open_store_device(device.state_device, Access::read, halves, reason);
    if (failure.code() == Code::bad_value) {
      why.text("cannot read state_device ").text(device.state_device).text(": ").text(reason.view());
      return Exit::cannot_create;
    }
    for (std::size_t i = 0; failure.ok() && i < 2; ++i) stores[i]->open(halves[i]);
  }
  if (!on_device && failure.ok() && !check_queue_places(state_.fd(), device.state, why).ok()) return Exit::bad_data;
  StoreFile files[2];
  bool is_missing[2] = {};
  for (std::size_t i = 0; !on_device && i < 2 && failure.ok(); ++i) {
    const auto file = open_store_to_read(state_.fd(), kQueueFiles[i]);
    is_missing[i] = file.code() == Code::not_found;
    if (!is_missing[i]) failure = file.status();
    if (file.ok()) files[i] = file.value();
  }
  if (is_missing[0] && is_missing[1]) return Exit::done;
  missing_ = {};
  for (std::size_t i = 0; !on_device && i < 2; ++i) {
    if (is_missing[i]) {
      missing_ = kQueueFiles[i];
      files[i].capacity = files[1 - i].capacity;
      files[i].missing = ENOENT;
    }
    if (failure.ok()) stores[i]->open(files[i]);
    else if (files[i].fd >= 0) ::close(files[i].fd);
  }
  if (!failure.ok()) {
    why.text("cannot read the queue in ");
    why.text(on_device ? device.state_device : device.state).text(": ");
    if (failure.code() == Code::corrupt) {
      why.text("queue.0 or queue.1 is empty, or no file");
      return Exit::bad_data;
    }
    write_errno(failure.detail(), why);
    if (failure.detail() == EACCES) why.text(": only its user and root may read it");
    return Exit::cannot_create;
  }
  const Status looked = look_until_it_stands();
  if (looked.ok()) return Exit::done;
  why.text("cannot read the queue in ").text(on_device ? device.state_device : device.state).text(": ");
  if (looked.code() == Code::too_big && !on_device) {
    const std::size_t shorter = files[0].capacity < files[1].capacity ? 0 : 1;
    why.text(kQueueFiles[shorter]).text(" has ").number(files[shorter].capacity).text(" bytes, and was cut off: ");
    why.text("`tocsin run` fills it up; of a copy do it by hand, truncate -s ").number(files[1 - shorter].capacity);
    why.text(" ").text(kQueueFiles[shorter]);
    return Exit::bad_data;
  }
  if (looked.code() == Code::bad_value)
    why.text("its format is version ").number(static_cast<std::uint64_t>(looked.detail())).text(
        ", made by a newer tocsin: use that one");
  else
    why.text(word(looked.code()));
  return Exit::medium;
}

// An owner that writes at this moment may leave a half picture, and one that turns its files and wipes them none
// at all: damage and emptiness are believed when they stand.
Status Reader::look_until_it_stands() {
  unsigned same = 0;
  std::uint32_t generation = 0;
  Queue::Found before;
  for (unsigned looks = 0; looks < kMostLooks && same < kBelieved; ++looks) {
    if (looks > 0) ::poll(nullptr, 0, kPauseMs);
    TRY(look());
    if (found_.damaged == 0 && !found_.fresh) break;
    const bool stands = looks > 0 && found_.fresh == before.fresh && found_.damaged == before.damaged &&
                        queue_.generation() == generation;
    same = stands ? same + 1 : 0;
    before = found_;
    generation = queue_.generation();
  }
  looks_ = 1;
  return {};
}

Status Reader::look() {
  ++looks_;
  TRY_LET(found, queue_.load());
  found_ = found;
  return {};
}

bool Reader::can_be_made(const DeviceConfig& device, TextWriter& why) {
  std::string_view folder = device.state;
  while (folder.size() > 1 && folder.back() == '/') folder.remove_suffix(1);
  while (!folder.empty() && folder.back() != '/') folder.remove_suffix(1);
  if (folder.empty() || ::access(Path{folder}.c_str(), F_OK) == 0) return true;
  why.text("cannot use the state directory ").text(device.state).text(": ");
  write_errno(errno, why);
  why.text(": look at `state` in [device]");
  return false;
}

void Reader::close() {
  even_.close();
  odd_.close();
  state_.close();
}

Result<Reader::Message> Reader::from(std::uint32_t& number, MutBytes body, MutBytes state) {
  for (;;) {
    const Entry* entry = index_.first_from(number);
    if (entry == nullptr) return Code::not_found;
    number = entry->number;
    const auto found = message(*entry, body, state);
    if (found.ok() || looks_ >= kMostLooks) return found;
    TRY(look());
  }
}

Result<Reader::Message> Reader::message(const Entry& entry, MutBytes body, MutBytes state) const {
  Message message;
  TRY_LET(read, queue_.read_body(entry, body));
  message.body = read;
  message.id = message_id(read.event.id_prefix, entry.number);
  message.phone = read.event.phone(entry.number - read.first_number);
  message.attempts = entry.attempts;
  const auto last = queue_.read_state(entry, state);
  message.has_state = last.ok();
  if (last.ok()) message.state = last.value();
  // Something else lies there now, or an older state of the same message.
  const bool stale = last.code() != Code::not_found && (!last.ok() || last.value().state != entry.state);
  if (stale && looks_ < kMostLooks) return Code::corrupt;
  message.state.state = entry.state;
  return message;
}

std::uint32_t Reader::find(std::string_view id) const {
  const Entry* entry = queue_.find(id);
  return entry == nullptr ? 0 : entry->number;
}

}  // namespace tocsin
