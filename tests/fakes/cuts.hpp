// SPDX-License-Identifier: MIT
// Takes the power away at every call of a run and looks at what may be left: every image of each_image() is
// opened by a new process, checked against the Ledger, proved writable and opened once more; and at every
// call of that recovery the power goes again, `deeper` times.
//
// What prove() finds depends on nothing but the image, the Ledger and what of `effort` is still to be done.
// Sequences come to the same case again and again; it is looked at once, and counted every time with all
// that lies below it (`memo=0`: looked at every time; `memo=2`: that too, and it must come out the same).
#pragma once

#include "fakes/ledger.hpp"
#include "fakes/memo.hpp"

namespace fakes {

struct Effort {
  Models models;
  unsigned deeper = 0;  // cuts during a recovery, one in the other
  unsigned stride = 1;  // of the images of such a cut every n-th
};

class Cuts final : public Medium::Watch {
 public:
  // `level` 0 is the run itself, 1 the recovery from its end, and so on.
  Cuts(const Effort& effort, unsigned level, unsigned skip) : effort_(effort), level_(level), skip_(skip) {}
  void follow(Process& process, Ledger& ledger) { process_ = &process, ledger_ = &ledger; }
  void written() override { point(); }

  // A place where the power may go: after each write, and whenever something was asked for or confirmed.
  void point() {
    if (!wrong.empty()) return;
    ledger_->note(*process_);
    const Medium& medium = process_->medium;
    const bool anew = ledger_->version != version_;
    // Behind a sync as much may be pending as before it.
    const bool synced_since = medium.calls >= calls_ + 2;
    if (!anew && medium.pending.size() <= pending_ && !synced_since) return;
    tried_.clear();
    ++points;
    unsigned n = 0;
    each_image(medium, effort_.models, anew, [&](const std::vector<Fate>& fates) {
      ++n;
      if (!wrong.empty() || (level_ > 0 && (n + skip_) % effort_.stride != 0)) return;
      medium.image(fates, image(level_));
      const Digest digest = image(level_).digest();
      if (tried_.find(digest) != nullptr) return;
      tried_.add(digest, {});
      const std::string what = prove(image(level_), *ledger_, effort_, level_ + 1, n);
      if (what.empty()) return;
      wrong = what;
      where = "point " + std::to_string(points) + " image " + std::to_string(n) + " (" +
              words(medium, fates) + ")";
    });
    version_ = ledger_->version;
    pending_ = medium.pending.size();
    calls_ = medium.calls;
  }

  std::string wrong, where;
  unsigned points = 0;

  // A new process finds `left`, and what was promised must be there. Then it goes on working.
  static std::string prove(Medium& left, Ledger ledger, const Effort& effort, unsigned level, unsigned skip) {
    TOCSIN_ASSERT(level > 0 && level + 2 < kLevels);
    ++at_level[level];
    ledger.process_died();
    if (repeats == Repeats::looked_at) return look_at(left, ledger, effort, level, skip);
    const Digest digest = digest_of(left, ledger, effort, level, skip);
    const Memo::Below* known = memo().find(digest);
    if (known != nullptr && repeats == Repeats::counted) {
      at_level[level + 1] += known->one, at_level[level + 2] += known->two;
      return {};
    }
    const std::uint64_t one = at_level[level + 1], two = at_level[level + 2];
    const std::string what = look_at(left, ledger, effort, level, skip);
    const Memo::Below below{static_cast<std::uint32_t>(at_level[level + 1] - one),
                            static_cast<std::uint32_t>(at_level[level + 2] - two)};
    if (known != nullptr) {  // by its digest, as it may have moved
      known = memo().find(digest);
      if (!what.empty() || known == nullptr || known->one != below.one || known->two != below.two)
        return "a case comes out otherwise than one that is called equal: " + what;
    } else if (what.empty()) {
      memo().add(digest, below);
    }
    return what;
  }

  // What was counted since the last call of count_anew().
  static constexpr unsigned kLevels = 8;
  static inline std::uint64_t at_level[kLevels] = {};  // states by depth of the cut
  static inline std::uint64_t looked_at = 0;           // of them: the others are equal to one of these
  static std::uint64_t states() {
    std::uint64_t all = 0;
    for (const std::uint64_t n : at_level) all += n;
    return all;
  }
  static void count_anew() {
    for (std::uint64_t& n : at_level) n = 0;
    looked_at = 0;
    memo().clear();
  }
  static std::string counted() {
    char text[160];
    using Printed = unsigned long long;
    std::snprintf(text, sizeof text, "%llu states (%llu, %llu, %llu by depth of the cut), %llu %s",
                  Printed{states()}, Printed{at_level[1]}, Printed{at_level[2]}, Printed{at_level[3]},
                  Printed{looked_at},
                  repeats == Repeats::counted ? "of them different" : "looked at");
    return text;
  }
  // A case equal to one that was looked at. `compared`: is looked at as well, and must be as the first.
  enum class Repeats : std::uint8_t { looked_at, counted, compared };
  static inline Repeats repeats = Repeats::counted;

 private:
  static Memo& memo() {
    static Memo memo;
    return memo;
  }
  // Of all that look_at() makes use of.
  static Digest digest_of(const Medium& left, const Ledger& ledger, const Effort& effort, unsigned level,
                          unsigned skip) {
    Digester all;
    all.put(left.digest());
    all.put(ledger.digest());
    if (level <= effort.deeper) {  // cuts are to come
      const Models& m = effort.models;
      const unsigned models = (m.subsets ? 1U : 0U) | (m.torn ? 2U : 0U) | (m.zeros ? 4U : 0U) |
                              (m.garbage ? 8U : 0U) | (m.blocks ? 16U : 0U) | m.step << 5;
      all.put(effort.deeper - level + 1, models);
      all.put(effort.stride, skip % effort.stride);
    }
    return all.done();
  }
  static std::string look_at(Medium& left, Ledger& ledger, const Effort& effort, unsigned level,
                             unsigned skip) {
    ++looked_at;
    Process process(left);
    const auto found = process.queue->load();
    if (!found.ok()) return "Q6: it does not start";
    // What a cut takes was never promised: it is told as no damage, and puts nothing in doubt.
    if (found.value().damaged > 0) return "damage: a power cut is told as damage";
    std::string what = ledger.check(process);
    if (!what.empty()) return what;
    process.start(++ledger.boots);
    ledger.adopt(process);
    Cuts cuts(effort, level, skip);
    if (level <= effort.deeper) {
      cuts.follow(process, ledger);
      left.watch = &cuts;
    }
    what = prove_writable(process, ledger);
    if (level <= effort.deeper) cuts.point();
    left.watch = nullptr;
    if (!cuts.wrong.empty()) return cuts.wrong + "\n    after a cut of that recovery: " + cuts.where;
    if (!what.empty()) return what;
    if (!Medium::misuse.empty()) return Medium::misuse;
    Process again(left);
    if (!again.queue->load().ok()) return "Q6: it does not start again";
    what = ledger.check(again);
    return what.empty() ? what : what + ", at the second start";
  }

  static std::string prove_writable(Process& process, Ledger& ledger) {
    process.poll();
    process.settle();
    ledger.note(process);
    std::uint32_t number = ledger.push(process, 2, 300);
    process.poll();
    for (unsigned tries = 0; number == 0 && tries < 64; ++tries) {  // full: let the oldest end
      const std::uint32_t oldest = ledger.oldest_waiting();
      if (oldest == 0) break;
      ledger.change(process, oldest, tocsin::State::failed, 1);
      process.poll();
      process.settle();
      number = ledger.push(process, 2, 300);
      process.poll();
    }
    if (number == 0) return "Q6: it takes nothing any more";
    process.settle();
    ledger.note(process);
    const Ledger::Message* m = ledger.find(number);
    if (m == nullptr || !m->safe || !process.queue->idle()) return "Q6: it writes nothing any more";
    return ledger.check(process);
  }
  static Medium& image(unsigned level) {
    static Medium images[8];
    return images[level];
  }
  static std::string words(const Medium& medium, const std::vector<Fate>& fates) {
    static const char* const names[] = {"lost",        "landed",     "torn",       "sectors",
                                        "zeros",       "garbage",    "one bit",    "block garbage",
                                        "block zeros", "block ones", "block mixed"};
    std::string all;
    for (std::size_t i = 0; i < fates.size(); ++i) {
      const Medium::Write& w = medium.pending[i];
      char one[80];
      std::snprintf(one, sizeof one, "%sfile %u slot %u+%u: %s", i > 0 ? ", " : "", w.file,
                    w.at / tocsin::kBlock, static_cast<unsigned>(w.bytes.size()), names[fates[i].kind]);
      all += one;
      if (fates[i].kind == Fate::torn) all += " at " + std::to_string(fates[i].bytes);
    }
    return all.empty() ? "nothing pending" : all;
  }

  const Effort& effort_;
  unsigned level_, skip_;
  Process* process_ = nullptr;
  Ledger* ledger_ = nullptr;
  unsigned version_ = ~0U;
  std::size_t pending_ = 0;
  unsigned calls_ = 0;
  Memo tried_;  // images of this point
};

}  // namespace fakes
