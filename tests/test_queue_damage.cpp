// SPDX-License-Identifier: MIT
// Every bit of a queue's two files turned over, one at a time, and the files cut off at every length.
//
// What one wrong bit may cost (Q6), and what each of these checks says exactly. "Covered" is a record of which
// another copy lies in the file (the older version of a started block): nothing is lost, nothing is reported.
//
//   event     its messages, all of them; an alarm it told goes back to what was known before
//   state     its message goes back to the record before: uuid, reason and counts of that one. One copy too
//             many may then reach the service (4 of a message that may have 3, 2 of class info): the lost
//             record is the only place that knew of it. The message whose record it is, no other.
//   ended     as state, and: it is not sent again if any later record says "settled below" a greater number,
//             that is if every older message had ended by the time a record was written after it. While an
//             older message waits, or when nothing was written since, it waits again, with the copies that
//             are left.
//   alarm     that alarm goes back to what was known before, or is not known
//   start     run, boot and tag of the start before; without one, counters begin again under another tag
//   stop      the run did not end in good order: numbers go on with a gap
//   seal      nothing, once anything was written after it; before that, the file before is used, which holds
//             the same
//   a head    nothing: it lies twice. The file that is not in use: nothing. Between the records: nothing.
//
// Reported (Found::damaged) if a later record knows that it had been synced - so not when the last sync of all
// wrote it - and no start excuses it: a start cannot know whether what the last sync before it wrote had been
// promised. A stop that is gone is reported as unclean. A head is not reported.
// In no case is a number given out that was told to anybody, nor an id.
//
//   test_queue_damage 'queue_any_bit* all=1'                             every bit, not a slice (make one ...)
//   test_queue_damage 'queue_any_bit* sample=1 file=1 at=4130 bit=3'     one case, as a failure prints it
#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "queue_bench.hpp"
#include "tocsin/outbox/outbox.hpp"

using namespace tocsin;
using fakes::Disk;
using fakes::Process;
using fakes::the_index;

namespace {

constexpr std::uint32_t kBlocks = 12;

// ---- the sample -------------------------------------------------------------------------------------------

// How a file ends, and so what nothing vouches for.
enum class End : unsigned { stop, ended, seal, state, event, fresh_seal, last };
const char* const kEndWords[] = {"stop", "ended", "seal", "state", "event", "fresh_seal"};

struct Sample {
  Disk disk{kBlocks};
  std::set<std::string> told;                  // ids
  std::map<std::uint32_t, unsigned> may_have;  // copies the service may have of a message
};

constexpr const char* kUuid = "0562f2aa-5945-4f41-824a-b774fc2e2b2a";

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
void run_to_seal(Process& run) {
  const auto turns = run.queue.turns();
  for (run.even.delay = run.odd.delay = Millis{10}; run.queue.turns() == turns; run.now = run.now + Millis{10})
    run.queue.poll(run.now);
}

// Runs, a turn, events for one phone and for several, alarms, states, ended ones with uuid and reason. An old
// message waits all the time where the end is `ended`, so that nothing settles.
Sample make_sample(End end) {
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

Picture picture(Process& run) {
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
  for (const Queue::Alarm& alarm : run.queue.alarms()) found.alarms[std::string(alarm.name.view())] = alarm.last;
  found.tag = std::string(run.queue.run().tag, 4);
  found.boot = run.queue.run().boot, found.run = run.queue.run().run;
  return found;
}

Picture load_picture(Disk& disk, Queue::Found* found = nullptr) {
  Process run(disk);
  CHECK_OK(run.load());
  if (found != nullptr) *found = run.found;
  return picture(run);
}

void print(const char* label, const Picture& p) {
  print_error("%s: run %u boot %u tag %s\n", label, p.run, p.boot, p.tag.c_str());
  for (const auto& [number, m] : p.messages)
    print_error("  %u %s sends %u attempts %u \"%s\" %s %s %s \"%s\"\n", number, word(m.state).data(), m.sends,
                m.attempts, m.text.c_str(), m.phone.c_str(), m.id.c_str(), m.uuid.c_str(), m.reason.c_str());
  for (const auto& [name, last] : p.alarms) print_error("  alarm %s %d\n", name.c_str(), static_cast<int>(last));
}

void check_same(const Picture& got, const Picture& want) {
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
  bool reported(Lsn lost) const {
    Lsn synced = 0;
    for (const Piece& p : pieces) {
      if (p.head.lsn == lost) continue;
      if (p.head.synced > synced) synced = p.head.synced;
      if (p.head.kind == RecordKind::start && p.head.synced < lost && lost < p.head.lsn) return false;
    }
    return synced >= lost;
  }
};

Layout layout_of(const Disk& disk) {
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
    layout.pieces.push_back({at, static_cast<std::uint32_t>(record.value().space), record.value().head,
                             {payload.begin(), payload.end()}});
    at += layout.pieces.back().space;
  }
  return layout;
}

// The picture that these records make, in the plainest way there is: all of them in the order of their LSN.
Picture picture_of(std::vector<Piece> pieces) {
  std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.head.lsn < b.head.lsn; });
  Picture all;
  all.tag = "0000";
  for (const Piece& p : pieces) {
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
      m.state = state.value().state;
      m.sends = state.value().sends, m.attempts = state.value().attempts;
      m.uuid = std::string(state.value().uuid), m.reason = std::string(state.value().reason);
    } else if (p.head.kind == RecordKind::event) {
      const auto event = decode_event(payload);
      for (std::uint32_t i = 0; i < event.value().phone_count(); ++i) {
        Message& m = all.messages[p.head.number + i];
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
    if (!ended(m->second.state) && m->first < pieces.back().head.settled_below) m->second.state = State::unknown;
    m = m->second.id.empty() ? all.messages.erase(m) : std::next(m);  // a state, but no event
  }
  return all;
}

// The picture that must be left when no more than `pieces` can be read of the active file: as the table on top
// says. Without anything that vouches for the copy it is the file before, and what its runs were called.
Picture picture_left(const Layout& layout, const std::vector<Piece>& pieces, const Picture& before) {
  bool sealed = false;
  for (const Piece& p : pieces)
    sealed = sealed || p.head.kind == RecordKind::seal || p.head.synced >= layout.head.first_lsn;
  if (sealed) return picture_of(pieces);
  Picture left = before;
  if (!before.messages.empty() || pieces.empty()) return left;
  const Picture of_copy = picture_of(pieces);
  left.boot = of_copy.boot, left.run = of_copy.run, left.tag = of_copy.tag;
  return left;
}

// Without its heads the active file does not count.
Picture picture_before(const Sample& sample, const Layout& layout) {
  Disk older = sample.disk;
  for (const std::uint32_t at : {0U, (kBlocks - 1) * kBlock}) older.seen(layout.active)[at] ^= 1;
  return load_picture(older);
}

// ---- going on ---------------------------------------------------------------------------------------------

class Silent final : public Observer {
 public:
  void message_ended(const MessageId&, std::uint32_t, State, std::string_view) override {}
  void stream_changed(std::string_view, std::string_view, std::string_view) override {}
};

// The program goes on with these files: it takes the queue, accepts a message under a number and an id that
// nobody was told before, sends no message too often, and finds everything again the next time. kAny: records of
// any message may be lost, so that numbers and copies are not looked at.
constexpr std::uint32_t kAny = 0xFFFFFFFF;
void check_goes_on(Disk disk, const Sample& sample, const Picture& found, std::uint32_t state_lost_of) {
  Process run(disk);
  run.start(9);
  CHECK(run.queue.settled());
  Silent silent;
  Outbox outbox(run.queue, the_index, silent);
  outbox.load(run.clocks());
  for (std::size_t at = 0; at < the_index.size(); ++at) {
    const Entry& entry = the_index[at];
    if (ended(entry.state)) continue;
    const unsigned most = most_sends(entry.cls);
    const auto known = sample.may_have.find(entry.number);
    CHECK(known != sample.may_have.end());
    const unsigned had = known->second;
    if (state_lost_of != kAny)
      CHECK(had + (most - entry.sends) <= most + (entry.number == state_lost_of ? 1U : 0U));
  }
  run.settle();
  const auto pushed = run.push(2, "written after the damage");
  CHECK_OK(pushed);
  const std::uint32_t number = pushed.value().first_number;
  run.settle();
  CHECK(run.queue.on_medium(pushed.value().ticket));
  if (state_lost_of != kAny) {
    CHECK(sample.may_have.empty() || number > sample.may_have.rbegin()->first);
    CHECK(sample.told.count(run.id(number)) == 0 && sample.told.count(run.id(number + 1)) == 0);
  }
  CHECK(!run.queue.failing());
  CHECK_EQ(run.queue.lost(), 0);

  Process next(disk);
  CHECK_OK(next.load());
  const Picture again = picture(next);
  CHECK_EQ(again.messages.count(number) + again.messages.count(number + 1), 2);
  for (const auto& [old, m] : found.messages) {
    const auto same = again.messages.find(old);
    if (same == again.messages.end() && ended(m.state)) continue;  // a turn let go of it
    CHECK(same != again.messages.end());
    CHECK(same->second.text == m.text && same->second.phone == m.phone && same->second.id == m.id);
    CHECK(!ended(m.state) || ended(same->second.state));
  }
}

bool chosen(const char* option, std::uint64_t value) {
  return !check::has_option(option) || check::option(option, 0) == value;
}

}  // namespace

TEST(queue_any_bit_turned_over_costs_one_record_at_most) {
  const bool all = check::option("all", 0) != 0 || check::has_option("bit");
  unsigned cases = 0, goes_on = 0, lost_cases = 0, reported = 0, kinds = 0;
  for (unsigned n = 0; n < static_cast<unsigned>(End::last); ++n) {
    if (!chosen("sample", n)) continue;
    check::at("sample=%u", n);
    Sample sample = make_sample(static_cast<End>(n));
    const Picture whole = load_picture(sample.disk);
    const Layout layout = layout_of(sample.disk);
    const Picture before = picture_before(sample, layout);
    for (unsigned file = 0; file < 2; ++file) {
      if (!chosen("file", file)) continue;
      Disk::Image& image = sample.disk.seen(file);
      std::uint32_t idle = 0;  // zeros before this byte: a little behind the last record is looked at, too
      std::uint32_t first_at = 0;
      for (std::uint32_t at = 0; at < image.size(); ++at) {
        if (at % kBlock == 0) idle = 64;
        idle = image[at] != 0 ? 0 : idle + 1;
        if (idle > 48 && !check::has_option("at")) continue;
        if (!chosen("at", at)) continue;
        const bool in_long_text = at >= 64 && std::memcmp(&image[at - 32], &image[at - 31], 32) == 0;
        if (in_long_text && at % 64 != 0 && !check::has_option("at")) continue;
        const Piece* hit = file == layout.active ? layout.covering(at) : nullptr;
        // All bits of the first record of each kind and of the newest, of the others one in every third byte.
        bool every_bit = all || at < kFileHeadBytes;
        if (hit != nullptr && layout.copies(hit->head.lsn) == 1) {
          const unsigned kind = 1U << static_cast<unsigned>(hit->head.kind);
          if ((kinds & kind) == 0 || first_at == hit->at || hit->head.lsn == layout.newest())
            every_bit = true, first_at = hit->at;
          kinds |= kind;
        }
        for (unsigned bit = 0; bit < 8; ++bit) {
          if (!chosen("bit", bit) || (!every_bit && (bit != at * 5 % 8 || at % 3 != n % 3))) continue;
          check::at("sample=%u file=%u at=%u bit=%u", n, file, at, bit);
          ++cases;
          image[at] ^= static_cast<std::uint8_t>(1U << bit);
          Queue::Found found;
          const Picture left = load_picture(sample.disk, &found);
          const bool gone = hit != nullptr && layout.copies(hit->head.lsn) == 1;
          std::uint32_t state_lost_of = 0;
          if (!gone) {
            check_same(left, whole);
            CHECK_EQ(found.damaged, 0);
          } else {
            ++lost_cases;
            check_same(left, picture_left(layout, layout.without(hit->head.lsn), before));
            const bool must_report = layout.reported(hit->head.lsn);
            // A start record also excused others: without it these count as well.
            if (hit->head.kind == RecordKind::start) CHECK(found.damaged >= (must_report ? 1U : 0U));
            else CHECK_EQ(found.damaged, must_report ? 1 : 0);
            reported += found.damaged > 0 ? 1U : 0U;
            if (hit->head.kind == RecordKind::stop) CHECK(found.unclean);
            if (hit->head.kind == RecordKind::state || hit->head.kind == RecordKind::ended)
              state_lost_of = hit->head.number;
          }
          if (cases % 8 == 0 || check::has_option("at")) {
            ++goes_on;
            check_goes_on(sample.disk, sample, left, state_lost_of);
          }
          image[at] ^= static_cast<std::uint8_t>(1U << bit);
        }
      }
    }
    if (!check::has_option("at")) print_message("end %s: %zu records\n", kEndWords[n], layout.pieces.size());
  }
  print_message("%u bits; a record lost %u times, reported %u times; gone on with %u times\n", cases, lost_cases,
                reported, goes_on);
  if (!check::has_option("sample")) CHECK_EQ(kinds, 0xFE);  // every kind was hit
}

// The rest of a file reads as zeros. What lies before the cut is found, whole records of it; what lay behind it
// is lost, and reported only where a record before the cut knows of it - as after a power cut, nothing tells
// that there was more. Without head, or without seal and all that was written after it, the file before is the
// truth again: what ended since then waits again. Numbers go on 256 behind the newest record that is left: those
// that were given out by later runs of the program are given out again, with the same tag.
TEST(queue_file_cut_off_anywhere_keeps_what_lies_before) {
  const bool all = check::option("all", 0) != 0;
  unsigned cases = 0, fell_back = 0;
  for (unsigned n = 0; n < static_cast<unsigned>(End::last); ++n) {
    if (!chosen("sample", n)) continue;
    check::at("sample=%u", n);
    const Sample sample = make_sample(static_cast<End>(n));
    const Layout layout = layout_of(sample.disk);
    const Picture whole = picture_of(layout.pieces);
    const Picture before = picture_before(sample, layout);
    for (unsigned file = 0; file < 2; ++file) {
      if (!chosen("file", file)) continue;
      const Disk::Image& image = sample.disk.seen(file);
      Disk cut = sample.disk;
      std::vector<Piece> left = layout.pieces;
      for (auto at = static_cast<std::uint32_t>(image.size()); at > 0;) {
        if (image[--at] == 0) continue;  // the same as one byte more
        cut.seen(file)[at] = 0;
        for (std::size_t i = left.size(); file == layout.active && i > 0; --i)
          if (at >= left[i - 1].at && at < left[i - 1].at + left[i - 1].space)
            left.erase(left.begin() + static_cast<long>(i - 1));
        const bool inside_text = at % kBlock >= 32 && image[at - 1] == 'x';
        if (!chosen("bytes", at) || (inside_text && at % 64 != 0)) continue;
        if (!all && !check::has_option("bytes") && at % 3 != n % 3 && at % kBlock > 0 && image[at - 1] != 0) continue;
        check::at("sample=%u file=%u bytes=%u", n, file, at);
        ++cases;
        Picture want = whole;
        if (file == layout.active) {
          want = at < kFileHeadBytes ? before : picture_left(layout, left, before);
          fell_back += want.messages == before.messages ? 1U : 0U;
        }
        const Picture got = load_picture(cut);
        check_same(got, want);
        if (cases % 8 == 0 || check::has_option("bytes")) check_goes_on(cut, sample, got, kAny);
      }
    }
  }
  print_message("%u lengths, %u times the file before\n", cases, fell_back);
}

// The store itself is shorter: whole blocks are gone from its end, the second head among them.
TEST(queue_store_that_became_shorter_keeps_what_is_left_and_goes_on) {
  for (unsigned n = 0; n < static_cast<unsigned>(End::last); ++n) {
    const Sample sample = make_sample(static_cast<End>(n));
    const Layout layout = layout_of(sample.disk);
    const Picture before = picture_before(sample, layout);
    for (unsigned file = 0; file < 2; ++file)
      for (std::uint32_t blocks = Queue::kMinBlocks; blocks < kBlocks; ++blocks) {
        if (!chosen("sample", n) || !chosen("file", file) || !chosen("blocks", blocks)) continue;
        check::at("sample=%u file=%u blocks=%u", n, file, blocks);
        Disk cut = sample.disk;
        cut.seen(file).resize(blocks * kBlock);
        cut.durable(file).resize(blocks * kBlock);
        std::vector<Piece> left;
        for (const Piece& p : layout.pieces)
          if (file != layout.active || p.at < (blocks - 1) * kBlock) left.push_back(p);
        const Picture got = load_picture(cut);
        check_same(got, picture_left(layout, left, before));
        check_goes_on(cut, sample, got, kAny);
      }
  }
}
