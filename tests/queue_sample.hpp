// SPDX-License-Identifier: MIT
// Pairs of queue files that hold everything, what lies where in them, and the picture that any part of their
// records makes, reckoned in the plainest way.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "queue_bench.hpp"

namespace fakes {

inline constexpr std::uint32_t kBlocks = 12;

// ---- the sample -------------------------------------------------------------------------------------------

// How a file ends, and so what nothing vouches for.
enum class End : unsigned { stop, ended, seal, state, event, fresh_seal, last };
inline const char* const kEndWords[] = {"stop", "ended", "seal", "state", "event", "fresh_seal"};

struct Sample {
  Disk disk{kBlocks};
  std::set<std::string> told;                  // ids
  std::map<std::uint32_t, unsigned> may_have;  // copies the service may have of a message
};

inline constexpr const char* kUuid = "0562f2aa-5945-4f41-824a-b774fc2e2b2a";

struct Writer {
  Sample& to;
  Process& run;

  std::uint32_t push(unsigned phones, std::string_view text, const char* alarm = "",
                     Transition transition = Transition::none, Class cls = Class::critical) {
    Phone numbers[kMaxPhones];
    for (unsigned i = 0; i < phones; ++i) numbers[i].assign_cut("447700900" + std::to_string(123 + i));
    Event event;
    event.cls = cls;
    event.stream = "sms";
    event.text = text;
    event.alarm = alarm;
    event.transition = transition;
    event.phones = Span<const Phone>{numbers, phones};
    const auto pushed = run.queue.push(event, "boiler-7", run.clocks());
    CHECK_OK(pushed);
    run.settle();
    CHECK(run.queue.on_medium(pushed.value().ticket));
    for (std::uint32_t i = 0; i < phones; ++i) {
      to.told.insert(run.id(pushed.value().first_number + i));
      to.may_have[pushed.value().first_number + i] = cls == Class::info ? 0 : 1;  // the first needs no record
    }
    return pushed.value().first_number;
  }
  // More than a block: what was written before lies in the file once only, no older version of it is left.
  void fill() {
    for (int i = 0; i < 5; ++i) state(push(1, std::string(900, 'x')), 1, State::accepted, kUuid, "");
  }
  void state(std::uint32_t number, unsigned sends, State state, const char* uuid, const char* reason) {
    MessageState now;
    now.state = state;
    now.sends = static_cast<std::uint8_t>(sends), now.attempts = static_cast<std::uint16_t>(sends);
    now.uuid = uuid;
    now.reason = reason;
    CHECK_OK(run.queue.update(number, now, run.clocks()));
    run.settle();
    unsigned& may_have = to.may_have[number];
    if (sends > may_have) may_have = sends;
  }
};

// Until the next turn of the files is done, and nothing was written behind its seal.
inline void run_to_seal(Process& run) {
  const auto turns = run.queue.turns();
  for (run.even.delay = run.odd.delay = Millis{10}; run.queue.turns() == turns;
       run.now = run.now + Millis{10})
    run.queue.poll(run.now);
}

// Runs, a turn, events for one phone and for several, alarms, states, ended ones with uuid and reason. An old
// message waits all the time where the end is `ended`, so that nothing settles.
inline Sample make_sample(End end) {
  Sample sample;
  {
    Process run(sample.disk);
    if (end == End::fresh_seal) {
      CHECK_OK(run.load());
      run.queue.start({});
      run_to_seal(run);
      return sample;
    }
    run.start(1);
    Writer w{sample, run};
    const auto first = w.push(1, "an old message");
    const auto group = w.push(3, "sump level high", "high-level", Transition::raised);
    w.push(0, "", "door", Transition::raised);
    w.push(0, "", "door", Transition::cleared);
    w.state(group, 2, State::queued, "", "504 (no JSON in the answer)");
    w.state(group, 2, State::accepted, kUuid, "");
    w.state(group + 1, 1, State::failed, "", "the number is not valid");
    w.state(group + 2, 1, State::delivered, kUuid, "");
    if (end != End::ended) w.state(first, 1, State::accepted, kUuid, "");
    if (end == End::seal) {
      sample.disk.fail_at = sample.disk.calls + 1;
      CHECK_OK(run.push(1, "is not written any more"));
      run_to_seal(run);
      return sample;
    }
    sample.disk.fail_at = sample.disk.calls + 2;  // the other file takes over
    w.push(1, "during the failure", "", Transition::none, Class::warning);
    CHECK_EQ(run.queue.turns(), 2);
    sample.disk.fail_at = 0;
    w.fill();
  }
  Process run(sample.disk);
  run.start(2);
  Writer w{sample, run};
  w.fill();
  const auto tried = w.push(1, "was tried twice");
  w.state(tried, 2, State::queued, "", "connection lost");
  w.state(tried, 3, State::queued, "", "connection lost once more");
  const auto pair = w.push(2, "sump level normal", "high-level", Transition::cleared);
  const auto info = w.push(1, "good morning", "", Transition::none, Class::info);
  w.state(info, 1, State::queued, "", "");
  w.state(pair, 1, State::accepted, kUuid, "");
  w.state(tried, 3, State::unknown, "", "nobody knows");
  w.fill();
  if (end == End::ended || end == End::stop) w.state(pair + 1, 1, State::failed, "", "refused for good");
  if (end == End::stop) {
    CHECK_OK(run.queue.stop());
    run.settle();
  } else if (end == End::state) {
    w.state(pair + 1, 2, State::queued, "", "lost");
    w.state(pair + 1, 3, State::queued, "", "lost again");
  } else if (end == End::event) {
    w.push(2, "the newest", "pump", Transition::raised);
  }
  return sample;
}

// ---- what a reader finds ----------------------------------------------------------------------------------

struct Message {
  Class cls = Class::info;
  State state = State::queued;
  unsigned sends = 0, attempts = 0;
  std::string text, phone, id, uuid, reason;
  bool operator==(const Message& b) const {
    return cls == b.cls && state == b.state && sends == b.sends && attempts == b.attempts && text == b.text &&
           phone == b.phone && id == b.id && uuid == b.uuid && reason == b.reason;
  }
};

struct Picture {
  std::map<std::uint32_t, Message> messages;
  std::map<std::string, Transition> alarms;
  std::string tag;
  std::uint32_t boot = 0, run = 0;
};

inline Picture picture(Process& run) {
  Picture found;
  for (std::size_t at = 0; at < the_index.size(); ++at) {
    const Entry& entry = the_index[at];
    Message& m = found.messages[entry.number];
    m.cls = entry.cls;
    m.state = entry.state;
    m.sends = entry.sends, m.attempts = entry.attempts;
    const auto body = run.queue.read_body(entry, run.scratch);
    CHECK_OK(body);
    m.text = std::string(body.value().event.text);
    m.phone = std::string(body.value().event.phone(entry.number - body.value().first_number).view());
    m.id = std::string(message_id(body.value().event.id_prefix, entry.number).view());
    const auto state = run.queue.read_state(entry, run.scratch);
    if (state.code() == Code::not_found) continue;
    CHECK_OK(state);
    m.uuid = std::string(state.value().uuid);
    m.reason = std::string(state.value().reason);
  }
  for (const Queue::Alarm& alarm : run.queue.alarms())
    found.alarms[std::string(alarm.name.view())] = alarm.last;
  found.tag = std::string(run.queue.run().tag, 4);
  found.boot = run.queue.run().boot, found.run = run.queue.run().run;
  return found;
}

inline Picture load_picture(Disk& disk, Queue::Found* found = nullptr) {
  Process run(disk);
  CHECK_OK(run.load());
  if (found != nullptr) *found = run.found;
  return picture(run);
}

inline void print(const char* label, const Picture& p) {
  print_error("%s: run %u boot %u tag %s\n", label, p.run, p.boot, p.tag.c_str());
  for (const auto& [number, m] : p.messages)
    print_error("  %u %s sends %u attempts %u \"%s\" %s %s %s \"%s\"\n", number, word(m.state).data(),
                m.sends, m.attempts, m.text.c_str(), m.phone.c_str(), m.id.c_str(), m.uuid.c_str(),
                m.reason.c_str());
  for (const auto& [name, last] : p.alarms)
    print_error("  alarm %s %d\n", name.c_str(), static_cast<int>(last));
}

inline void check_same(const Picture& got, const Picture& want) {
  const bool same = got.messages == want.messages && got.alarms == want.alarms && got.tag == want.tag &&
                    got.boot == want.boot && got.run == want.run;
  if (!same) print("got", got), print("want", want);
  CHECK(same);
}

// ---- what lies where --------------------------------------------------------------------------------------

struct Piece {
  std::uint32_t at, space;
  RecordHead head;
  std::vector<std::uint8_t> payload;
};

struct Layout {
  unsigned active = 0;
  FileHead head;
  std::vector<Piece> pieces;

  unsigned copies(Lsn lsn) const {
    unsigned n = 0;
    for (const Piece& p : pieces) n += p.head.lsn == lsn ? 1U : 0U;
    return n;
  }
  const Piece* covering(std::uint32_t at) const {
    for (const Piece& p : pieces)
      if (at >= p.at && at < p.at + p.space) return &p;
    return nullptr;
  }
  std::vector<Piece> without(Lsn lost) const {
    std::vector<Piece> left;
    for (const Piece& p : pieces)
      if (p.head.lsn != lost) left.push_back(p);
    return left;
  }
  Lsn newest() const {
    Lsn newest = 0;
    for (const Piece& p : pieces) newest = std::max(newest, p.head.lsn);
    return newest;
  }
  bool reported(Lsn lost) const;
};

// Whether a record that is not among these had been promised: a later one knows that it was synced, and no start
// excuses it. A start excuses what came behind the last sync it knew of, but for the records right before it that it
// says it had found.
inline bool was_promised(const std::vector<Piece>& pieces, Lsn lost) {
  Lsn synced = 0;
  for (const Piece& p : pieces) {
    if (p.head.synced > synced) synced = p.head.synced;
    const bool found = lost < p.head.lsn && p.head.lsn - lost <= p.head.number;
    if (p.head.kind == RecordKind::start && p.head.synced < lost && lost < p.head.lsn && !found) return false;
  }
  return synced >= lost;
}
inline bool Layout::reported(Lsn lost) const { return was_promised(without(lost), lost); }

inline Layout layout_of(const Disk& disk) {
  FileHead heads[2];
  for (unsigned file = 0; file < 2; ++file) {
    const auto head = decode_file_head(Bytes{disk.seen(file).data(), kFileHeadBytes});
    if (head.ok()) heads[file] = head.value();
  }
  Layout layout;
  layout.active = heads[1].generation > heads[0].generation ? 1 : 0;
  layout.head = heads[layout.active];
  const FileKey key = file_key(layout.head.salt, layout.head.generation);
  const Disk::Image& image = disk.seen(layout.active);
  for (std::uint32_t at = kBlock; at < image.size() - kBlock;) {
    const auto record = decode_record(key, Bytes{image.data() + at, kBlock - at % kBlock});
    if (!record.ok()) {
      at += 8;
      continue;
    }
    const Bytes payload = record.value().payload;
    layout.pieces.push_back({at,
                             static_cast<std::uint32_t>(record.value().space),
                             record.value().head,
                             {payload.begin(), payload.end()}});
    at += layout.pieces.back().space;
  }
  return layout;
}

// The picture that these records make, in the plainest way there is: all of them in the order of their LSN, and
// in the place of each that is missing what the one behind it tells. Where that is missing, too, each message that
// waits and of which nothing newer is known has no more than one copy left.
inline Picture picture_of(std::vector<Piece> pieces, Lsn first_lsn) {
  std::sort(pieces.begin(), pieces.end(),
            [](const Piece& a, const Piece& b) { return a.head.lsn < b.head.lsn; });
  Picture all;
  all.tag = "0000";
  std::map<std::uint32_t, Lsn> newest;  // of each message
  Lsn unknown = 0, next = first_lsn;
  for (const Piece& p : pieces) {
    for (; next + 1 < p.head.lsn; ++next)
      if (was_promised(pieces, next)) unknown = next;
    const unsigned what = next < p.head.lsn ? p.head.before.what() : 0;
    next = p.head.lsn + 1;
    for (auto& [number, m] : all.messages) {
      if (what == 0 || what == Echo::kEvent || (number & 0xFFFF) != p.head.before.number) continue;
      m.state = static_cast<State>(what - 1);
      m.sends = p.head.before.sends(), m.attempts = std::max(m.attempts, m.sends);
      m.uuid = m.reason = "";
      newest[number] = p.head.lsn - 1;
    }
    const Bytes payload{p.payload.data(), p.payload.size()};
    if (p.head.kind == RecordKind::start) {
      const auto run = decode_run(payload);
      all.boot = run.value().boot, all.run = run.value().run;
      all.tag = std::string(run.value().tag, 4);
    } else if (p.head.kind == RecordKind::alarm) {
      const auto alarm = decode_alarm_state(payload);
      all.alarms[std::string(alarm.value().alarm)] = alarm.value().last;
    } else if (p.head.kind == RecordKind::state || p.head.kind == RecordKind::ended) {
      const auto state = decode_message_state(payload);
      Message& m = all.messages[p.head.number];
      newest[p.head.number] = p.head.lsn;
      m.state = state.value().state;
      m.sends = state.value().sends, m.attempts = state.value().attempts;
      m.uuid = std::string(state.value().uuid), m.reason = std::string(state.value().reason);
    } else if (p.head.kind == RecordKind::event) {
      const auto event = decode_event(payload);
      for (std::uint32_t i = 0; i < event.value().phone_count(); ++i) {
        Message& m = all.messages[p.head.number + i];
        newest[p.head.number + i] = p.head.lsn;
        m.cls = event.value().cls;
        m.text = std::string(event.value().text);
        m.phone = std::string(event.value().phone(i).view());
        m.id = std::string(message_id(event.value().id_prefix, p.head.number + i).view());
      }
      if (event.value().transition != Transition::none)
        all.alarms[std::string(event.value().alarm)] = event.value().transition;
    }
  }
  for (auto m = all.messages.begin(); m != all.messages.end();) {
    if (!ended(m->second.state) && newest[m->first] < unknown)
      m->second.sends = std::max(m->second.sends, kMaxSends - 1);
    if (!ended(m->second.state) && m->first < pieces.back().head.settled_below)
      m->second.state = State::unknown;
    m = m->second.id.empty() ? all.messages.erase(m) : std::next(m);  // a state, but no event
  }
  return all;
}

// The picture that must be left when no more than `pieces` can be read of the active file: as the table on
// top says. Without anything that vouches for the copy it is the file before, and what its runs were called.
inline Picture picture_left(const Layout& layout, const std::vector<Piece>& pieces, const Picture& before) {
  bool sealed = false;
  for (const Piece& p : pieces)
    sealed = sealed || p.head.kind == RecordKind::seal || p.head.synced >= layout.head.first_lsn;
  if (sealed) return picture_of(pieces, layout.head.first_lsn);
  Picture left = before;
  if (!before.messages.empty() || pieces.empty()) return left;
  const Picture of_copy = picture_of(pieces, layout.head.first_lsn);
  left.boot = of_copy.boot, left.run = of_copy.run, left.tag = of_copy.tag;
  return left;
}

}  // namespace fakes
