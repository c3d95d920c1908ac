// SPDX-License-Identifier: MIT
// The power-cut sweep of everything that delivers: Queue, Outbox and Sender over two files and a scripted
// service that loses answers and fails after it has accepted. Four events for five phones each; the power
// goes at every call to a file and at every call to the connection (a write during which it goes arrives or
// does not), every image that may survive is booted, until nothing is left to do. A third kind of case cuts
// again during that second life.
//
// At the end, for each event that was promised and each phone: 1 to 3 copies at the service (info: 1), never
// 0, and a final state on record; for an event that was not: all of its phones or none.
//
//   powercut_agent 'agent_power_cut* cut=30 arrives=1 image=7'     reruns one case
#include "check.hpp"
#include "fakes/agent.hpp"

using namespace tocsin;
using fakes::Agent;
using fakes::Disk;
using fakes::Reply;
using fakes::Request;
using fakes::Service;

namespace {

constexpr std::uint32_t kBlocks = 8;  // as small as allowed: the files turn over while messages wait
constexpr unsigned kPhones = 5;
unsigned cases = 0;
unsigned most_copies = 0;
unsigned turns_seen = 0, delivered_seen = 0;

// What the service does, request by request, for the life of the world. It always accepts what it reads, and
// hides it as often as not.
Reply moody(const Request& r) {
  switch (r.number % 7) {
    case 1: {  // the answer is lost in the middle
      Reply reply = fakes::accept_all(r);
      reply.cut_at = 40;
      reply.end = Reply::End::broken;
      return reply;
    }
    case 2:
      return fakes::accept_but(r, fakes::answer(524, "<html>"));
    case 3:
      return fakes::answer(
          200, fakes::entries_body({fakes::error_entry(r.messages[0].id, "RATE_LIMIT")}, "false"));
    case 4: {  // the connection ends with the answer
      Reply reply = fakes::accept_all(r);
      reply.end = Reply::End::close;
      return reply;
    }
    case 5:
      return fakes::answer(503, "", "Retry-After: 3\r\n");
    default:
      return fakes::accept_all(r);
  }
}

// Accepts everything, and says of what it is asked that it was delivered, when it is asked twice.
Reply reporting(const Request& r) {
  if (r.head.find("/messages_status/") == std::string::npos) return fakes::accept_all(r);
  std::string entries;
  for (std::size_t at = r.body.find("uuid-"); at != std::string::npos; at = r.body.find("uuid-", at + 1))
    entries += (entries.empty() ? "\"" : ",\"") + r.body.substr(at, r.body.find('"', at) - at) +
               (r.number % 2 == 0 ? "\":\"delivered\"" : "\":\"sent\"");
  return fakes::answer(200, "{" + entries + "}");
}

// Two streams: sms refuses, loses answers, or accepts; chat accepts what it reads, and hides it now and then. Receipts of
// sms say now and then that it came to nothing.
Reply of_two(const Request& r) {
  const bool is_sms = r.head.find("sms.test") != std::string::npos;
  if (r.head.find("/messages_status/") != std::string::npos) {
    std::string entries;
    for (std::size_t at = r.body.find("uuid-"); at != std::string::npos; at = r.body.find("uuid-", at + 1))
      entries += (entries.empty() ? "\"" : ",\"") + r.body.substr(at, r.body.find('"', at) - at) +
                 (r.number % 3 != 0 ? "\":\"sent\"" : "\":\"undelivered\"");
    return fakes::answer(200, "{" + entries + "}");
  }
  if (is_sms && r.number % 3 == 1) {
    std::vector<std::string> entries;
    for (const auto& m : r.messages) entries.push_back(fakes::error_entry(m.id, "NO_ROUTE"));
    return fakes::answer(200, fakes::entries_body(entries));
  }
  if (r.number % 4 == 2) return fakes::accept_but(r, fakes::answer(524, "<html>"));
  return fakes::accept_all(r);
}

struct Event {
  std::uint32_t first = 0;
  std::vector<std::string> ids;
  bool promised = false;
  unsigned most = kMaxSends;
};

// Everything that outlives a life of the device.
struct World {
  Disk disk{kBlocks};
  Service service;
  Instant clock{1000};
  unsigned boots = 0;
  bool arrives = false;
  bool asks = false;  // for receipts
  bool two = false;   // streams
  std::vector<Event> events;

  explicit World(bool its_asks = false, bool its_two = false) : asks(its_asks), two(its_two) {
    service.script = two ? of_two : asks ? reporting : moody;
    service.keep_requests = false;
  }
};

// One life: boots, posts what is left to post, works until nothing waits or the power goes. What went wrong,
// or nothing.
std::string live(World& w, unsigned events) {
  Agent agent(w.disk, w.service, w.clock, ++w.boots);
  const auto power = [&w] { return w.disk.power; };
  agent.alive = power;
  agent.stream.on_call = [&w] { return w.disk.step(); };  // one count of calls for files and connection
  agent.stream.dying_write_arrives = w.arrives;
  w.clock = w.clock + seconds(60);
  if (w.asks) agent.settings.receipts_for = hours(1);
  if (w.two) {
    auto& chat = agent.second("chat", "chat.test");
    chat.settings.receipts_for = Millis{0};
    chat.stream.on_call = agent.stream.on_call;
    chat.stream.dying_write_arrives = w.arrives;
    agent.ways = {{name_hash("sms"), minutes(1), minutes(2), Asked::stream}, {name_hash("chat"), minutes(1), Millis{0}, Asked::nobody}};
    agent.settings.receipts_at = minutes(2);
  }
  if (!agent.start()) return w.disk.power ? "it does not start" : "";
  std::vector<Queue::Ticket> tickets;
  const std::size_t before = w.events.size();
  const auto note = [&] {
    for (std::size_t i = before; i < w.events.size(); ++i)
      if (agent.queue.on_medium(tickets[i - before])) w.events[i].promised = true;
  };
  for (unsigned n = 0; n < events && w.disk.power; ++n) {
    Event event;
    const Class cls = n % 2 == 0 ? Class::critical : Class::info;
    event.most = cls == Class::info ? 1 : kMaxSends;
    event.first = agent.post(cls, kPhones, "event " + std::to_string(n) + std::string(900, '.'), w.two ? "sms,chat" : "sms");
    if (event.first == 0) return "it takes nothing";
    for (unsigned i = 0; i < kPhones; ++i) event.ids.push_back(agent.id(event.first + i));
    w.events.push_back(event);
    tickets.push_back(agent.last_ticket);
    if (n == 0) {
      for (unsigned turns = 0; turns < 40 && w.disk.power; ++turns) {
        const Instant next = agent.turn();
        note();
        if (next == kNever) break;
        if (next > w.clock) w.clock = next;
      }
    }
  }
  if (!w.disk.power) return {};
  bool done = agent.run_until_ended(hours(24));
  if (w.asks && !agent.run(minutes(3))) return "the loop does not come to rest";
  if (w.two && w.disk.power) done = agent.run_until_ended(hours(24)) || agent.waiting() == 0;  // receipts sent some by the other
  turns_seen += agent.queue.turns();
  note();
  if (!w.disk.power) return {};
  if (!done) return "messages wait for ever";
  if (agent.spins > 0) return "the loop spins";

  // Nothing waits any more: what do the phones have, and what does the record say?
  for (const Event& event : w.events) {
    unsigned reached = 0;
    for (unsigned i = 0; i < kPhones; ++i) {
      const auto it = w.service.copies.find(event.ids[i]);
      const unsigned copies = it == w.service.copies.end() ? 0 : it->second;
      if (copies > most_copies) most_copies = copies;
      if (copies > event.most) return event.ids[i] + " has " + std::to_string(copies) + " copies";
      const Entry* entry = Agent::index().find(event.first + i);
      const bool there = entry != nullptr && agent.id(event.first + i) == event.ids[i];
      if (event.promised && !there) return event.ids[i] + " was promised and is not on record";
      if (there && !ended(entry->state)) return event.ids[i] + " has not ended";
      const bool explained =
          there && entry->state == State::unknown && !agent.record(entry->number).reason.empty();
      if (there && copies == 0 && !explained) return event.ids[i] + " reached nobody and nothing says why";
      if (there && (entry->state == State::accepted || entry->state == State::delivered) && copies == 0)
        return event.ids[i] + " is called accepted";
      delivered_seen += there && entry->state == State::delivered ? 1U : 0U;
      reached += copies > 0 || there ? 1U : 0U;
    }
    if (reached != 0 && reached != kPhones) return "half of the event of " + event.ids[0];
  }
  return {};
}

// The power comes back on one image of what was left; then everything has to come to its end.
std::string come_back(World world, unsigned image, unsigned cut_again, World* left = nullptr) {
  world.disk = world.disk.image(image);
  world.disk.cut_at = cut_again;
  std::string wrong = live(world, 0);
  if (left != nullptr) *left = world;
  return wrong;
}

World first_life(unsigned cut, bool arrives, bool asks = false, bool two = false) {
  World world(asks, two);
  world.arrives = arrives;
  world.disk.cut_at = cut;
  const std::string wrong = live(world, 4);
  if (!wrong.empty()) print_error("first life: %s\n", wrong.c_str());
  CHECK(wrong.empty());
  return world;
}

void check_end(const std::string& wrong) {
  ++cases;
  if (!wrong.empty()) print_error("%s\n", wrong.c_str());
  CHECK(wrong.empty());
}

}  // namespace

TEST(agent_power_cut_at_every_call_leaves_one_to_three_copies_everywhere) {
  const unsigned calls = first_life(0, false).disk.calls;
  cases = most_copies = turns_seen = 0;
  for (unsigned cut = 1; cut <= calls; ++cut)
    for (unsigned arrives = 0; arrives < 2; ++arrives) {
      if (check::has_option("cut") && cut != check::option("cut", 0)) continue;
      if (check::has_option("arrives") && arrives != check::option("arrives", 0)) continue;
      check::at("cut=%u arrives=%u", cut, arrives);
      const World left = first_life(cut, arrives != 0);
      for (unsigned i = 0; i < left.disk.images(); ++i) {
        if (check::has_option("image") && i != check::option("image", 0)) continue;
        check::at("cut=%u arrives=%u image=%u", cut, arrives, i);
        check_end(come_back(left, i, 0));
      }
    }
  print_message(
      "power cuts at %u calls to files and connection, %u cases (%u turns of the files), at most %u copies\n",
      calls, cases, turns_seen, most_copies);
}

TEST(agent_power_cut_while_messages_go_by_two_streams_leaves_one_to_three_copies_everywhere) {
  const unsigned calls = first_life(0, false, true, true).disk.calls;
  cases = most_copies = turns_seen = 0;
  for (unsigned cut = 1; cut <= calls; ++cut) {
    if (check::has_option("cut") && cut != check::option("cut", 0)) continue;
    const World left = first_life(cut, cut % 2 != 0, true, true);
    for (unsigned i = 0; i < left.disk.images(); i += 2) {
      if (check::has_option("image") && i != check::option("image", 0)) continue;
      check::at("cut=%u image=%u", cut, i);
      check_end(come_back(left, i, 0));
    }
  }
  print_message("power cuts at %u calls with two streams, %u cases (%u turns of the files), at most %u copies\n", calls, cases,
                turns_seen, most_copies);
}

// What was learnt of deliveries is not on the medium as a rule; whatever is, nothing is sent for it.
TEST(agent_power_cut_while_receipts_come_leaves_one_copy_more_at_most) {
  const unsigned calls = first_life(0, false, true).disk.calls;
  cases = most_copies = delivered_seen = 0;
  for (unsigned cut = 1; cut <= calls; ++cut) {
    if (check::has_option("cut") && cut != check::option("cut", 0)) continue;
    const World left = first_life(cut, cut % 2 != 0, true);
    for (unsigned i = 0; i < left.disk.images(); i += 2) {
      if (check::has_option("image") && i != check::option("image", 0)) continue;
      check::at("cut=%u image=%u", cut, i);
      check_end(come_back(left, i, 0));
    }
  }
  CHECK(most_copies <= 2 && delivered_seen > 0);
  print_message("power cuts at %u calls while receipts come, %u cases, %u delivered, at most %u copies\n", calls, cases,
                delivered_seen, most_copies);
}

TEST(agent_second_power_cut_leaves_one_to_three_copies_everywhere) {
  const unsigned calls = first_life(0, false).disk.calls;
  const auto stride = static_cast<unsigned>(check::option("stride", 7));
  cases = most_copies = 0;
  for (unsigned cut = 1; cut <= calls; cut += check::has_option("cut") ? 1U : stride) {
    if (check::has_option("cut") && cut != check::option("cut", 0)) continue;
    const bool arrives = cut % 2 != 0;
    const World left = first_life(cut, arrives);
    const unsigned image = cut % left.disk.images();
    World whole;
    check::at("cut=%u", cut);
    check_end(come_back(left, image, 0, &whole));
    for (unsigned second = 1; second <= whole.disk.calls; second += check::has_option("second") ? 1U : 2U) {
      if (check::has_option("second") && second != check::option("second", 0)) continue;
      check::at("cut=%u second=%u", cut, second);
      World again;
      check_end(come_back(left, image, second, &again));
      check_end(come_back(again, second % again.disk.images(), 0));
    }
  }
  print_message("second cuts: %u cases, at most %u copies\n", cases, most_copies);
}

TEST(agent_power_cut_again_and_again_still_comes_to_an_end) {
  // A supply that fails every n calls, for as long as it takes.
  cases = most_copies = 0;
  for (unsigned n = 12; n < 120; ++n) {
    if (check::has_option("every") && n != check::option("every", 0)) continue;
    check::at("every=%u", n);
    World world = first_life(n, n % 2 != 0);
    for (unsigned boots = 0; boots < 60; ++boots) {
      World left;
      check_end(come_back(world, (n + boots) % world.disk.images(), boots < 40 ? n : 0, &left));
      if (left.disk.power && boots >= 40) break;
      world = left;
    }
    CHECK(world.boots <= 43);
  }
  print_message("many cuts: %u boots, at most %u copies\n", cases, most_copies);
}
