// SPDX-License-Identifier: MIT
#include "src/program/reader.hpp"

namespace tocsin {

Exit Reader::open(const Config& config, TextWriter& why) {
  const Status opened = state_.open(config.device.state, IfAbsent::fail);
  if (opened.code() == Code::not_found) return Exit::done;
  FileStore* stores[] = {&even_, &odd_};
  const std::string_view names[] = {"queue.0", "queue.1"};
  Status failure = opened;
  for (std::size_t i = 0; i < 2 && failure.ok(); ++i) {
    const auto file = open_store_to_read(state_.fd(), names[i]);
    if (file.code() == Code::not_found || (file.code() == Code::io && file.status().detail() == ENOENT))
      return Exit::done;
    failure = file.status();
    if (file.ok()) stores[i]->open(file.value());
  }
  if (!failure.ok()) {
    why.text("cannot read the queue in ").text(config.device.state).text(": ");
    write_errno(failure.detail(), why);
    why.text(": only its user and root may read it");
    return Exit::cannot_create;
  }
  // An owner that writes at this moment may leave a half picture: look again.
  for (int look = 0; look < 3; ++look) {
    const auto found = queue_.load();
    if (!found.ok()) {
      why.text("cannot read the queue in ").text(config.device.state).text(": ").text(word(found.code()));
      return Exit::medium;
    }
    found_ = found.value();
    if (found_.damaged == 0) break;
  }
  return Exit::done;
}

void Reader::close() {
  even_.close();
  odd_.close();
  state_.close();
}

Result<Reader::Message> Reader::message(const Entry& entry, MutBytes body, MutBytes state) const {
  Message message;
  const auto read = queue_.read_body(entry, body);
  if (!read.ok()) return read.status();
  message.body = read.value();
  message.id = message_id(message.body.event.id_prefix, entry.number);
  message.phone = message.body.event.phone(entry.number - message.body.first_number);
  const auto last = queue_.read_state(entry, state);
  message.has_state = last.ok();
  if (last.ok()) message.state = last.value();
  message.state.state = entry.state;
  return message;
}

const Entry* Reader::find(std::string_view id) const {
  const auto number = parse_number(id, UINT32_MAX);
  if (number.ok()) return index_.find(static_cast<std::uint32_t>(number.value()));
  alignas(8) std::uint8_t scratch[kBlock];
  for (std::size_t at = 0; at < index_.size(); ++at) {
    const auto body = queue_.read_body(index_[at], scratch);
    if (body.ok() && message_id(body.value().event.id_prefix, index_[at].number).view() == id)
      return &index_[at];
  }
  return nullptr;
}

}  // namespace tocsin
