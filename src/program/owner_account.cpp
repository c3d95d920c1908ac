// SPDX-License-Identifier: MIT
// The API key of the account: what is looked up by it, and answers of people that come that way.
#include <string.h>

#include <new>

#include "port/linux/clock.hpp"
#include "port/linux/secret_file.hpp"
#include "src/program/owner.hpp"

namespace tocsin {
namespace {

constexpr Millis kLookAgain = seconds(10);

}  // namespace

// Everything but the address is as the first stream has it.
Exit Owner::load_key(TextWriter& why) {
  const AccountConfig& account = config_->account;
  const StreamConfig& as = config_->streams[0];
  key_file_ = file_id(account.api_key_file);  // first: what is written meanwhile is noticed
  char key[kMaxToken];
  const auto size = read_api_key(account.api_key_file, key, why);
  if (!size.ok()) return Exit::config;  // the one before, if there is one, stays
  std::memcpy(key_, key, size.value());
  key_size_ = size.value();
  ::explicit_bzero(key, sizeof key);
  const bool first = lookup_ == nullptr;
  if (first) {
    lookup_stream_ = &make_stream(0, lookup_stream_memory_);
    lookup_ = new (lookup_memory_) Lookup(outbox_, *lookup_stream_, *this, arena_);
  }
  Lookup::Settings settings;
  settings.endpoint = {account.host, account.port, as.proxy_host, as.proxy_port};
  settings.proxy_login = {logins_[0], login_sizes_[0]};
  settings.path_prefix = account.path_prefix;
  settings.token = {key_, key_size_};
  settings.timeout = as.timeout;
  settings.replies_every = account.replies_every;
  lookup_->configure(settings);
  lookup_->resume();
  account_reason_.clear();
  log_.begin_anew(read_clocks().now);  // refused again is news, in the same words, too
  if (first) look_up_left();
  return Exit::done;
}

// A key that is missing or refused is looked at again: whoever mends it need not know how to tell the daemon.
void Owner::look_at_account(Instant now) {
  if (now < look_at_account_) return;
  look_at_account_ = kNever;
  const std::string_view file = config_->account.api_key_file;
  if (role_ != Role::daemon || file.empty()) return;
  if (lookup_ != nullptr && lookup_->reason().empty()) return;
  look_at_account_ = now + kLookAgain;
  if (lookup_ != nullptr && file_id(file) == key_file_) return;
  char words[300];
  TextWriter why(words);
  if (load_key(why) != Exit::done && why.view() != account_reason_.view()) lookup_changed(why.view());
}

// As in vouched_for(): a record of what is found vouches for the time.
void Owner::poll_lookup(Clocks clocks) {
  clocks.wall_trusted =
      clocks.wall_trusted && (lookup_stream_->phase() != Phase::open || lookup_stream_->good_at(clocks.wall));
  lookup_->poll(clocks, next_random());
}

void Owner::look_up_left() {
  for (std::size_t i = 0; lookup_ != nullptr && i < stream_count_; ++i) senders_[i]->look_up_by(*lookup_, read_clocks());
}

void Owner::note_accepted(std::uint32_t number) {
  const std::size_t stream = stream_of(index_.find(number));
  if (stream != kNotFound) senders_[stream]->accepted_elsewhere(read_clocks().now);
}

void Owner::lookup_changed(std::string_view words) {
  const bool works = words == "works";
  char text[Log::kMaxLine], masked[300];
  TextWriter line(text), reason(masked);
  write_without_phones(words, reason);
  if (starts_with(words, "401") || starts_with(words, "403"))
    reason.text(". Set the key again (tocsin token set account) or look at its allowed IPs");
  if (starts_with(words, "404")) reason.text(". Look at api_url");
  account_reason_.assign_cut(works ? std::string_view{} : reason.view());
  look_at_account_ = works ? kNever : read_clocks().now + kLookAgain;
  log_line(works ? LogLevel::info : LogLevel::warning, line.text("API key: ").text(reason.view()).view());
}

bool Owner::reply_came(const Webhook& reply, bool old) {
  return take_incoming(reply.from, reply.text, old ? Heard::before : Heard::listed).ok();
}

}  // namespace tocsin
