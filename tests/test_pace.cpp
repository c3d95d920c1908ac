// SPDX-License-Identifier: MIT
// How fast a stream goes once its service limits it: the gap alone, and what comes of it against services with a bucket
// of their own.
#include "sender_bench.hpp"
#include "tocsin/outbox/pace.hpp"

using namespace tocsin;
using namespace fakes;

namespace {

constexpr Instant at(std::uint64_t ms) { return Instant{1'000'000 + ms}; }

TEST(pace_of_a_service_that_never_says_no_is_none) {
  Pace pace;
  for (unsigned n = 0; n < 100; ++n) pace.said_yes(at(n));
  CHECK(pace.free_at() <= at(0));
  CHECK(!pace.one_by_one());
}

TEST(pace_begins_with_the_time_from_the_first_no_to_the_next_yes) {
  Pace pace;
  pace.said_yes(at(0));
  CHECK(!pace.said_no(Pace::Of::messages, at(5)));
  CHECK(!pace.said_no(Pace::Of::messages, at(2'000)));
  CHECK(pace.free_at() <= at(0));  // until then whoever asks backs off
  pace.said_yes(at(4'005));
  CHECK_EQ(pace.gap().count, 4'000);
  CHECK(pace.free_at() == at(8'005));
  CHECK(pace.one_by_one());
}

TEST(pace_halves_until_the_next_no_and_then_keeps_near_what_worked) {
  Pace pace;
  CHECK(!pace.said_no(Pace::Of::requests, at(0)));
  pace.said_yes(at(4'000));
  pace.said_yes(at(8'000));
  CHECK_EQ(pace.gap().count, 2'000);
  pace.said_yes(at(10'000));
  CHECK_EQ(pace.gap().count, 1'000);
  CHECK(pace.said_no(Pace::Of::requests, at(11'000)));  // the gap will do
  CHECK_EQ(pace.gap().count, 2'000);
  CHECK(!pace.one_by_one());
  pace.said_yes(at(13'000));
  CHECK_EQ(pace.gap().count, 2'000);  // that yes says that it is right, not that it is too long
  pace.said_yes(at(15'000));
  CHECK_EQ(pace.gap().count, 1'938);
  CHECK(pace.said_no(Pace::Of::requests, at(17'000)));
  CHECK_EQ(pace.gap().count, 2'422);
  CHECK(!pace.said_no(Pace::Of::requests, at(20'000)));  // one behind another: back off
}

TEST(pace_has_bounds_and_is_looked_for_anew_in_time) {
  Pace pace;
  CHECK(!pace.said_no(Pace::Of::messages, at(0)));
  pace.said_yes(at(10'000'000));
  CHECK_EQ(pace.gap().count, Pace::kMost.count);
  CHECK(pace.said_no(Pace::Of::messages, at(10'060'000)));
  CHECK_EQ(pace.gap().count, Pace::kMost.count);
  std::uint64_t now = 10'120'000;
  unsigned yeses = 0;
  for (; pace.gap().count > 0; ++yeses) pace.said_yes(at(now += 120'000));
  CHECK(yeses < 5 + 1 + 11);  // ten minutes by a 32nd, then by half
  CHECK(!pace.one_by_one());
}

// A service whose bucket fills by one message, or request, every `rate` and holds `burst`.
class Bucket {
 public:
  const Millis rate;
  const unsigned burst;
  const Pace::Of of;
  unsigned limited = 0;  // requests, in part or as a whole

  Bucket(Millis every, unsigned at_once, Pace::Of what) : rate(every), burst(at_once), of(what) {}

  Reply take(const Request& request) {
    tokens_ += static_cast<double>((request.at - last_).count) / static_cast<double>(rate.count);
    if (tokens_ > burst) tokens_ = burst;
    last_ = request.at;
    if (of == Pace::Of::requests) {
      if (takes_one()) return accept_all(request);
      ++limited;
      return answer(429, "{\"message\":\"too many requests\"}");
    }
    Reply reply;
    std::vector<std::string> entries;
    for (const SentMessage& m : request.messages) {
      const bool taken = takes_one();
      entries.push_back(taken ? accepted_entry(m.id) : error_entry(m.id, "RATE_LIMIT"));
      if (taken) reply.accepted.push_back(m.id);
    }
    if (reply.accepted.size() < entries.size()) ++limited;
    reply.accepts = true;
    reply.body = entries_body(entries);
    return reply;
  }

 private:
  bool takes_one() {
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }
  double tokens_ = 1000;
  Instant last_;
};

// Of 300 messages to ten phones: at most one request in five is refused, and it takes at most half as long again as the
// service would have let it take, and ten seconds for finding the rate by trying.
void check_storm(Millis rate, unsigned burst, Pace::Of of) {
  Bucket bucket(rate, burst, of);
  constexpr unsigned kMessages = 300;
  check::at("rate=%lld ms burst=%u of=%u", static_cast<long long>(rate.count), burst, static_cast<unsigned>(of));
  Bench b(400);
  b.service.keep_requests = false;
  b.service.script = [&bucket](const Request& request) { return bucket.take(request); };
  b.start();
  for (unsigned n = 0; n < kMessages; ++n)
    b->post_to(Class::warning, "4477009001" + std::to_string(10 + n % 10), "storm " + std::to_string(n));
  const Instant began = b.clock;
  CHECK(b->run_until_ended(hours(24)));
  const std::int64_t took = (b.clock - began).count;
  CHECK_EQ(total_copies(b.service), kMessages);
  const unsigned units = of == Pace::Of::messages ? kMessages : b.service.request_count - bucket.limited;
  std::printf("| %lld ms | %u | %s | %u | %u | %lld s |\n", static_cast<long long>(rate.count), burst,
              of == Pace::Of::messages ? "messages" : "requests", b.service.request_count, bucket.limited,
              static_cast<long long>(took / 1000));
  CHECK(bucket.limited * 5 <= b.service.request_count + 5);
  CHECK(took <= units * rate.count * 3 / 2 + 10'000);
}

TEST(pace_storm_against_a_limit_leaves_nearly_as_fast_as_it_may_and_is_seldom_refused) {
  for (const Pace::Of of : {Pace::Of::messages, Pace::Of::requests})
    for (const Millis rate : {milliseconds(100), seconds(1), seconds(6), seconds(36)}) {
      check_storm(rate, 1, of);
      check_storm(rate, 10, of);
    }
}

}  // namespace
