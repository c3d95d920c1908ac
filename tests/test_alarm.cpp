// SPDX-License-Identifier: MIT
#include "check.hpp"
#include "fakes/disk.hpp"
#include "fakes/queue_model.hpp"
#include "tocsin/alarm/alarm.hpp"

using namespace tocsin;
using fakes::Disk;
using fakes::Life;

namespace {

class Deaf final : public Observer {
 public:
  void message_ended(const MessageId&, std::uint32_t, State, std::string_view) override {}
  void budget_spent(Class, Instant) override {}
  void stream_changed(std::string_view, std::string_view, std::string_view) override {}
};

Clocks clocks_at(std::uint64_t ms, std::int64_t wall_ms = 0) {
  Clocks clocks;
  clocks.now = Instant{ms};
  clocks.wall = UnixMillis{wall_ms};
  clocks.wall_trusted = wall_ms != 0;
  return clocks;
}

constexpr std::int64_t kNoon = 1'795'262'400'000;  // 2026-11-21 12:00:00 UTC

struct Phones {
  Phone list[2];
  Phones() {
    CHECK_OK(list[0].assign("447700900123"));
    CHECK_OK(list[1].assign("447700900456"));
  }
};

AlarmRule sump(const Phones& phones) {
  AlarmRule rule;
  rule.name = "sump";
  rule.stream = "sms";
  rule.text = "{device}: {alarm} high since {time}";
  rule.clear_text = "{device}: normal after {duration}";
  rule.phones = Span<const Phone>{phones.list};
  return rule;
}

// One run of the program on this disk, ready to take alarms.
struct Agent {
  explicit Agent(Disk& disk, std::uint64_t boot = 1) : life(disk, boot), outbox(*life.queue, life.index(), observer) {
    CHECK_OK(life.load());
    life.start();
  }
  Result<Queue::Pushed> change(const AlarmRule& rule, Transition to, const Clocks& clocks) {
    return change_alarm(outbox, rule, to, "b", clocks);
  }
  Life life;
  Deaf observer;
  Outbox outbox;
};

std::string text_of(Life& life, std::uint32_t number) {
  alignas(8) std::uint8_t scratch[kBlock];
  const auto body = life.queue->read_body(*life.index().find(number), scratch);
  return body.ok() ? std::string(body.value().event.text) : std::string("unreadable");
}

}  // namespace

TEST(alarm_raised_tells_everybody_in_one_event) {
  Disk disk(16);
  Agent agent(disk);
  const Phones phones;
  const auto raised = change_alarm(agent.outbox, sump(phones), Transition::raised, "boiler-7", clocks_at(5000, kNoon));
  CHECK_OK(raised);
  CHECK(is_raised(*agent.life.queue, "sump"));
  CHECK_EQ(agent.life.index().size(), 2);
  CHECK_TEXT(text_of(agent.life, raised.value().first_number), "boiler-7: sump high since 2026-11-21 12:00:00 UTC");
}

TEST(alarm_tells_the_time_of_its_edge_and_keeps_how_long_ago_that_was) {
  Disk disk(16);
  Agent agent(disk);
  const Phones phones;
  const auto raised = change_alarm(agent.outbox, sump(phones), Transition::raised, "boiler-7",
                                   clocks_at(3'700'000, kNoon + 3'600'000), hours(1));
  CHECK_OK(raised);
  CHECK_TEXT(text_of(agent.life, raised.value().first_number), "boiler-7: sump high since 2026-11-21 12:00:00 UTC");
  agent.life.settle();
  alignas(8) std::uint8_t scratch[kBlock];
  const auto body = agent.life.queue->read_body(agent.life.index()[0], scratch);
  CHECK_EQ(body.value().event.edge_before_ms, 3'600'000);
}

TEST(alarm_raised_again_changes_nothing) {
  Disk disk(16);
  Agent agent(disk);
  const Phones phones;
  CHECK_CODE(agent.change(sump(phones), Transition::cleared, clocks_at(1)), Code::empty);
  CHECK_OK(agent.change(sump(phones), Transition::raised, clocks_at(2)));
  CHECK_CODE(agent.change(sump(phones), Transition::raised, clocks_at(3)), Code::empty);
  CHECK_EQ(agent.life.index().size(), 2);
}

TEST(alarm_cleared_says_how_long_it_was_and_survives_the_power) {
  Disk disk(16);
  const Phones phones;
  {
    Agent agent(disk);
    CHECK_OK(agent.change(sump(phones), Transition::raised, clocks_at(5000, kNoon)));
    agent.life.settle();
  }
  Disk after = disk.image(0);
  Agent agent(after, 2);  // another boot: only the wall clock knows how long it has been
  CHECK(is_raised(*agent.life.queue, "sump"));
  const auto cleared = agent.change(sump(phones), Transition::cleared, clocks_at(900, kNoon + 725'000));
  CHECK_OK(cleared);
  CHECK(!is_raised(*agent.life.queue, "sump"));
  CHECK_TEXT(text_of(agent.life, cleared.value().first_number), "b: normal after 12 min 5 s");
}

TEST(alarm_cleared_without_a_clock_does_not_invent_a_duration) {
  Disk disk(16);
  const Phones phones;
  {
    Agent agent(disk);
    CHECK_OK(agent.change(sump(phones), Transition::raised, clocks_at(5000)));
    agent.life.settle();
  }
  Disk after = disk.image(0);
  Agent agent(after, 2);
  const auto cleared = agent.change(sump(phones), Transition::cleared, clocks_at(900, kNoon));
  CHECK_OK(cleared);
  CHECK_TEXT(text_of(agent.life, cleared.value().first_number), "b: normal after (duration not known)");
}

TEST(alarm_without_clear_text_is_cleared_in_silence_on_record) {
  Disk disk(16);
  const Phones phones;
  {
    Agent agent(disk);
    AlarmRule rule = sump(phones);
    rule.clear_text = {};
    CHECK_OK(agent.change(rule, Transition::raised, clocks_at(1)));
    CHECK_OK(agent.change(rule, Transition::cleared, clocks_at(2)));
    CHECK_EQ(agent.life.index().size(), 2);
    agent.life.settle();
  }
  Disk after = disk.image(0);
  Agent agent(after, 2);
  CHECK(!is_raised(*agent.life.queue, "sump"));
}

TEST(alarm_that_finds_the_queue_full_is_not_raised_and_can_be_made_up_for) {
  Disk disk(8);
  Agent agent(disk);
  fakes::Model model;
  while (model.push(agent.life, 1, 900, Class::critical) != 0) agent.life.settle();
  const Phones phones;
  AlarmRule rule = sump(phones);
  const std::string longer(900, 'x');
  rule.text = longer;
  CHECK_CODE(agent.change(rule, Transition::raised, clocks_at(1)), Code::full);
  CHECK(!is_raised(*agent.life.queue, "sump"));
  for (std::uint32_t number = 1; number < 6; ++number) model.end(agent.life, number);
  agent.life.settle();
  CHECK_OK(agent.change(rule, Transition::raised, clocks_at(2)));
  CHECK(is_raised(*agent.life.queue, "sump"));
}

TEST(alarm_raised_has_a_code_in_its_text_that_is_another_one_the_next_time) {
  Disk disk(16);
  Agent agent(disk);
  const Phones phones;
  AlarmRule rule = sump(phones), door = sump(phones);
  rule.text = "{code} {alarm}";
  rule.clear_text = "{code} over";
  door.name = "door";
  const auto raised = agent.change(rule, Transition::raised, clocks_at(1));
  const std::string code(agent.life.queue->alarm("sump")->code.view());
  CHECK_EQ(code.size(), kCodeSize);
  CHECK_TEXT(text_of(agent.life, raised.value().first_number), code + " sump");
  CHECK_OK(agent.change(door, Transition::raised, clocks_at(2)));
  CHECK(agent.life.queue->alarm("door")->code.view() != code);
  const auto cleared = agent.change(rule, Transition::cleared, clocks_at(3));
  CHECK_TEXT(text_of(agent.life, cleared.value().first_number), code + " over");
  CHECK(agent.life.queue->alarm("sump")->code.empty());
  CHECK_OK(agent.change(rule, Transition::raised, clocks_at(4)));
  CHECK(agent.life.queue->alarm("sump")->code.view() != code);
}

// What it is, since when and under which code: all of it outlives power cuts and turns of the files.
TEST(alarm_acknowledged_stays_so_until_it_is_cleared) {
  Disk disk(16);
  const Phones phones;
  std::string code;
  {
    Agent agent(disk);
    CHECK_CODE(agent.life.queue->acknowledge("sump"), Code::not_found);
    CHECK_OK(agent.change(sump(phones), Transition::raised, clocks_at(5000, kNoon)));
    agent.life.settle();
    const auto noted = agent.life.queue->acknowledge("sump");
    CHECK_OK(noted);
    CHECK_CODE(agent.life.queue->acknowledge("sump"), Code::empty);
    CHECK(is_raised(*agent.life.queue, "sump"));
    CHECK_CODE(agent.change(sump(phones), Transition::raised, clocks_at(6000)), Code::empty);
    CHECK(agent.life.queue->alarm("sump")->safe_last == Transition::raised);
    agent.life.settle();
    CHECK(agent.life.queue->on_medium(noted.value()));
    CHECK(agent.life.queue->alarm("sump")->safe_last == Transition::acknowledged);
    code = agent.life.queue->alarm("sump")->code.view();
  }
  Disk turned = disk.image(0);
  {
    Agent agent(turned, 2);
    fakes::Model model;
    for (unsigned n = 0; n < 60; ++n) {  // both files turn over
      const std::uint32_t number = model.push(agent.life, 1, 900);
      agent.life.settle();
      model.end(agent.life, number);
      agent.life.settle();
    }
    CHECK(agent.life.queue->turns() > 1);
    CHECK(agent.life.queue->alarm("sump")->last == Transition::acknowledged);
  }
  Disk after = turned.image(0);
  Agent agent(after, 3);
  const Queue::Alarm& alarm = *agent.life.queue->alarm("sump");
  CHECK(alarm.last == Transition::acknowledged && alarm.safe_last == Transition::acknowledged);
  CHECK_TEXT(alarm.code.view(), code);
  CHECK_EQ(alarm.since.clocks.now.ms, 5000);
  const auto cleared = agent.change(sump(phones), Transition::cleared, clocks_at(900, kNoon + 725'000));
  CHECK_TEXT(text_of(agent.life, cleared.value().first_number), "b: normal after 12 min 5 s");
  CHECK_CODE(agent.life.queue->acknowledge("sump"), Code::empty);
  CHECK_OK(agent.change(sump(phones), Transition::raised, clocks_at(1000)));
  CHECK(agent.life.queue->alarm("sump")->last == Transition::raised);
}
