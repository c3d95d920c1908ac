// SPDX-License-Identifier: MIT
// The alphabet and the letters below accents are compared with what Perl knows of them, lengths with a second count that
// is made in another way: all of a text's units in one row, cut by hand.
#include "tocsin/wire/sms_text.hpp"

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "check.hpp"

using namespace tocsin;

namespace {

std::string utf8(char32_t c) {
  std::string out;
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
  return out;
}

std::string times(std::size_t n, const std::string& text) {
  std::string out;
  for (; n > 0; --n) out += text;
  return out;
}

// A hexadecimal and a decimal number a line.
std::map<char32_t, unsigned> said_by_perl(const char* command) {
  std::map<char32_t, unsigned> all;
  std::FILE* perl = popen(command, "r");
  CHECK(perl != nullptr);
  unsigned long code = 0;
  unsigned value = 0;
  while (std::fscanf(perl, "%lx %u", &code, &value) == 2) all[static_cast<char32_t>(code)] = value;
  CHECK_EQ(pclose(perl), 0);
  return all;
}

// Perl's Encode::GSM0338 knows the alphabet from another source.
std::map<char32_t, unsigned> alphabet_of_perl() {
  return said_by_perl(
      "perl -MEncode -e 'my $gsm = find_encoding(\"gsm0338\"); for my $c (0..0xD7FF, 0xE000..0x10FFFF) {"
      " my $octets = $gsm->encode(chr $c);"  // ? where there is none
      " printf \"%x %d\\n\", $c, length $octets if $octets ne \"?\" || $c == 0x3F }\'");
}

TEST(sms_alphabet_of_every_code_point_is_that_of_an_independent_table) {
  const auto all = alphabet_of_perl();
  unsigned of_septets[3] = {};
  for (const auto& one : all) ++of_septets[one.second < 3 ? one.second : 0];
  CHECK_EQ(of_septets[0], 0);
  CHECK_EQ(of_septets[1], 127);
  CHECK_EQ(of_septets[2], 10);
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    const auto found = all.find(c);
    const unsigned expected = found == all.end() ? 0 : found->second;
    if (gsm_septets(c) == expected) continue;
    check::at("code=%x", static_cast<unsigned>(c));
    CHECK_EQ(gsm_septets(c), expected);
  }
  print_message("%u characters of one septet and %u of two, and that no other of 1,112,064 is one, as Perl's "
                "Encode::GSM0338 has it\n",
                of_septets[1], of_septets[2]);
}

TEST(sms_text_with_a_character_of_ucs2_tells_where_it_is) {
  CHECK_EQ(find_not_gsm("pump 3: level high"), kNotFound);
  CHECK_EQ(find_not_gsm(""), kNotFound);
  CHECK_EQ(find_not_gsm("Öl 5 °C"), 6);  // Ö takes two bytes
  CHECK_EQ(find_not_gsm("a`b`c", 2), 3);
  CHECK_EQ(find_not_gsm("€ {x}"), kNotFound);
  CHECK_EQ(find_not_gsm("\xC3"), 0);  // no character at all
}

// Without headers and cuts in mind: the sizes of the characters one by one, and whether GSM has them all.
struct Sizes {
  std::vector<unsigned> gsm, ucs2;
  bool all_gsm = true;
};

std::uint32_t segments_by_hand(const std::vector<unsigned>& sizes, std::uint32_t alone, std::uint32_t each,
                               std::uint32_t& left) {
  std::uint32_t sum = 0;
  for (const unsigned one : sizes) sum += one;
  left = alone - sum;
  if (sum <= alone) return 1;
  std::uint32_t segments = 1;
  std::uint32_t room = each;
  for (const unsigned one : sizes) {
    if (one > room) room = each, ++segments;
    room -= one;
  }
  left = room;
  return segments;
}

void check_length(const std::string& text, const Sizes& sizes, std::uint32_t less) {
  const SmsLength seen = measure_sms(text, less == 0 ? Reference::bits8 : Reference::bits16);
  std::uint32_t left = 0;
  const auto segments = sizes.all_gsm ? segments_by_hand(sizes.gsm, 160, 153 - less, left)
                                      : segments_by_hand(sizes.ucs2, 70, 67 - less, left);
  CHECK(seen.alphabet == (sizes.all_gsm ? Alphabet::gsm : Alphabet::ucs2));
  CHECK_EQ(seen.characters, sizes.gsm.size());
  CHECK_EQ(seen.segments, segments);
  CHECK_EQ(seen.left, left);
}

// n plain characters, then one of several kinds, then m plain ones.
TEST(sms_length_is_right_at_every_boundary_with_every_kind_of_character_there) {
  struct Kind {
    const char* text;
    unsigned gsm, ucs2;
  };
  const Kind kinds[] = {{"a", 1, 1}, {"é", 1, 1}, {"€", 2, 1}, {"{", 2, 1}, {"°", 0, 1}, {"ж", 0, 1}, {"😀", 0, 2}};
  for (const std::uint32_t less : {0U, 1U})
    for (const Kind& kind : kinds)
      for (std::size_t before = 0; before <= 480; ++before)
        for (const std::size_t behind : {std::size_t{0}, std::size_t{1}, std::size_t{66}, std::size_t{153}}) {
          check::at("kind=%s before=%zu behind=%zu less=%u", kind.text, before, behind, less);
          Sizes sizes;
          sizes.all_gsm = kind.gsm != 0;
          sizes.gsm.assign(before, 1);
          sizes.gsm.push_back(kind.gsm);
          sizes.gsm.insert(sizes.gsm.end(), behind, 1);
          sizes.ucs2.assign(before, 1);
          sizes.ucs2.push_back(kind.ucs2);
          sizes.ucs2.insert(sizes.ucs2.end(), behind, 1);
          check_length(times(before, "x") + kind.text + times(behind, "y"), sizes, less);
        }
}

TEST(sms_length_of_the_boundaries_that_people_know) {
  struct Known {
    std::string text;
    std::uint32_t units, segments, left;
  };
  const Known all[] = {
      {"", 0, 1, 160},
      {times(159, "a"), 159, 1, 1},
      {times(160, "a"), 160, 1, 0},
      {times(161, "a"), 161, 2, 145},
      {times(306, "a"), 306, 2, 0},
      {times(307, "a"), 307, 3, 152},
      {times(80, "€"), 160, 1, 0},
      {times(81, "€"), 162, 2, 143},                   // 76 of them in the first: 152 of 153
      {times(152, "a") + "€" + times(10, "a"), 164, 2, 141},  // the escape does not end the first segment
      {times(69, "ж"), 69, 1, 1},
      {times(70, "ж"), 70, 1, 0},
      {times(71, "ж"), 71, 2, 63},
      {times(35, "😀"), 70, 1, 0},
      {times(36, "😀"), 72, 2, 61},  // 33 pairs in the first: 66 of 67
      {times(134, "ж"), 134, 2, 0},
      {times(135, "ж"), 135, 3, 66},
  };
  for (const Known& one : all) {
    check::at("units=%u segments=%u", one.units, one.segments);
    const SmsLength seen = measure_sms(one.text);
    CHECK_EQ(seen.units, one.units);
    CHECK_EQ(seen.segments, one.segments);
    CHECK_EQ(seen.left, one.left);
  }
}

// Every cut of every text: no longer one would have fitted, this one does, and no character is parted.
TEST(sms_text_is_cut_where_no_longer_part_of_it_would_fit) {
  const std::string texts[] = {
      times(500, "a"),
      times(200, "€"),
      times(200, "ж"),
      times(120, "😀"),
      times(150, "a") + "😀" + times(40, "b"),  // the front alone is GSM, and longer
      times(40, "a") + "ж" + times(200, "b"),
      "a€" + times(100, "é{"),
      "short",
      "",
  };
  for (const std::string& text : texts)
    for (const std::string_view ending : {std::string_view{}, std::string_view{"..."}, std::string_view{"…"}})
      for (std::uint32_t segments = 1; segments <= 4; ++segments)
        for (const Reference reference : {Reference::bits8, Reference::bits16}) {
          check::at("text=%.10s ending=%zu segments=%u", text.c_str(), ending.size(), segments);
          const std::size_t cut = fit_sms(text, ending, segments, reference);
          CHECK(is_utf8(head(text, cut)));
          if (measure_sms(text, reference).segments <= segments) {
            CHECK_EQ(cut, text.size());
            continue;
          }
          CHECK(cut < text.size());
          std::size_t longest = 0;
          for (std::size_t at = 0; at <= text.size(); ++at) {
            const std::string part = text.substr(0, at);
            if (is_utf8(part) && measure_sms(part + std::string(ending), reference).segments <= segments) longest = at;
          }
          CHECK_EQ(cut, longest);
        }
}

std::string in_gsm(std::string_view text) {
  char memory[2048];
  TextWriter into{memory};
  write_in_gsm(text, into);
  CHECK(!into.cut());
  return std::string(into.view());
}

TEST(sms_text_is_spelled_in_gsm_as_people_do) {
  struct Written {
    const char *text, *expected;
  };
  const Written all[] = {
      {"Kessel 85 °C, ±2", "Kessel 85 C, +/-2"},
      {"ΔT ≥ 5 µm², ≤ 3 Ω", "ΔT >= 5 um2, <= 3 Ω"},  // MICRO SIGN, and the Greek letters stay
      {"\u2206 \u2126", "Δ Ω"},                        // INCREMENT and OHM SIGN
      {"“high” – ‘low’ …", "\"high\" - 'low' ..."},
      {"Łódź, Žižkov, Ångström", "Lodz, Zizkov, Ångström"},
      {"español: ¿nivel alto? ¡sí!", "español: ¿nivel alto? ¡si!"},
      {"ça va, Œuvre, Þór, ĳs", "ca va, OEuvre, Thor, ijs"},
      {"tab\there", "tab here"},
      {"e\u0301 o\u0308 A\u030A", "é ö Å"},  // accents behind their letters
      {"z\u030C\u0301 \u0301x", "z x"},
      {"½ l, ¾ m³, Nº 3, № 4, 20℃, 1⁄2", "1/2 l, 3/4 m3, No 3, No 4, 20C, 1/2"},
      {"thin\u2009 and\u2003wide, zero\u200Bwidth, \uFEFFmark", "thin  and wide, zerowidth, mark"},
      {"a\u00A0b`c´", "a b'c'"},
      {"€ {x} [y] \\ ~ ^ |", "€ {x} [y] \\ ~ ^ |"},  // the extension
      {"насос 😀", "насос 😀"},  // no such spelling: stays
      {"", ""},
  };
  for (const Written& one : all) {
    check::at("text=%s", one.text);
    CHECK_TEXT(in_gsm(one.text), one.expected);
  }
}

TEST(sms_spelling_of_every_character_is_in_the_alphabet_or_the_character_itself_and_half_as_long_again_at_most) {
  unsigned spelled = 0;
  for (char32_t c = 0x80; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    const std::string one = utf8(c);
    const std::string seen = in_gsm(one);
    if (seen == one) continue;
    ++spelled;
    check::at("code=%x", static_cast<unsigned>(c));
    CHECK_EQ(gsm_septets(c), 0);
    CHECK_EQ(find_not_gsm(seen), kNotFound);
    CHECK(2 * seen.size() <= 3 * one.size());
  }
  CHECK(spelled > 200);
}

// Unicode's own tables, as Perl has them: which letter is below the accents, and what a letter and an accent make.
TEST(sms_spelling_of_letters_with_accents_is_the_letter_below_them) {
  const auto base = said_by_perl(
      "perl -MUnicode::Normalize -e 'for my $c (0xC0..0x17F, 0x218..0x21B) {"
      " my $nfd = NFD(chr $c); printf \"%x %d\\n\", $c, ord $nfd if length $nfd > 1 }'");
  unsigned compared = 0;
  for (const auto& one : base) {
    if (gsm_septets(one.first) != 0) continue;
    check::at("code=%x", static_cast<unsigned>(one.first));
    CHECK_TEXT(in_gsm(utf8(one.first)), utf8(one.second));
    ++compared;
  }
  CHECK(compared > 100);
  const auto composed = said_by_perl(
      "perl -MUnicode::Normalize -e 'for my $l (0x41..0x5A, 0x61..0x7A) { for my $a (0x300..0x33F) {"
      " my $nfc = NFC(chr($l).chr $a); printf \"%x %d\\n\", $l << 12 | $a, length $nfc == 1 ? ord $nfc : 0 }}'");
  CHECK_EQ(composed.size(), 52 * 0x40);
  unsigned in_alphabet = 0;
  for (const auto& one : composed) {
    const char32_t letter = one.first >> 12;
    const bool known = one.second != 0 && gsm_septets(one.second) != 0;
    check::at("letter=%x accent=%x", static_cast<unsigned>(letter), static_cast<unsigned>(one.first & 0xFFF));
    CHECK_TEXT(in_gsm(utf8(letter) + utf8(one.first & 0xFFF)), utf8(known ? one.second : letter));
    in_alphabet += known ? 1 : 0;
  }
  CHECK_EQ(in_alphabet, 18);
  print_message("%u letters without their accents and %u pairs as Perl's Unicode::Normalize has them\n", compared,
                in_alphabet);
}

TEST(sms_text_is_not_cut_inside_what_belongs_together) {
  struct Known {
    std::string text, together;
  };
  const Known all[] = {
      {times(155, "a"), "e\u0301"},          // GSM up to there
      {times(60, "a"), "e\u0301\u0308"},
      {times(60, "a"), "👨\u200D👩\u200D👧"},  // a family
      {times(60, "a"), "👍🏽"},
      {times(60, "a"), "☎\uFE0F"},
  };
  for (const Known& one : all)
    for (std::size_t more = 0; more < 8; ++more) {
      const std::string front = times(more, "b") + one.text;
      const std::string text = front + one.together + times(200, "c");
      check::at("together=%s more=%zu", one.together.c_str(), more);
      const std::size_t cut = fit_sms(text, "...", 1);
      CHECK(cut <= front.size() || cut >= front.size() + one.together.size());
    }
  // Marks without an end are no reason to send next to nothing.
  const std::string marks = "a" + times(300, "\u0301");
  CHECK_EQ(fit_sms(marks, "...", 1), 1 + 66 * 2);
}

std::string sent(const std::string& text, const SmsRules& rules, Copy copy = Copy::first) {
  char memory[kMaxSentText];
  const SentText out = as_sent(text, rules, copy, memory);
  const std::string seen{out.text};
  CHECK(is_utf8(seen));
  CHECK(!seen.empty());
  if (rules.max_segments > 0) CHECK(measure_sms(seen, rules.reference).segments <= rules.max_segments);
  const bool marked = copy == Copy::repeat && seen.size() > 9 && seen.substr(seen.size() - 9) == " (repeat)";
  CHECK_EQ(out.shortened || out.transliterated, (marked ? seen.substr(0, seen.size() - 9) : seen) != text);
  return seen;
}

constexpr SmsRules kThree{3, false, Reference::bits8};
constexpr SmsRules kSpelled{3, true, Reference::bits8};
constexpr SmsRules kAsWritten{};

TEST(sms_sent_text_that_fits_is_the_one_that_was_given) {
  for (const SmsRules& rules : {kThree, kSpelled, kAsWritten})
    for (const std::string& text : {std::string("pump 3: level high"), times(459, "a"), times(3 * 76, "€"), std::string("x")}) {
      char memory[kMaxSentText];
      const SentText out = as_sent(text, rules, Copy::first, memory);
      CHECK(out.text.data() == text.data());
      CHECK_EQ(out.text.size(), text.size());
    }
  CHECK_TEXT(sent(times(1024, "a"), kAsWritten), times(1024, "a"));
}

TEST(sms_sent_text_above_its_segments_ends_in_three_points) {
  CHECK_TEXT(sent(times(460, "a"), kThree), times(456, "a") + "...");
  CHECK_TEXT(sent(times(460, "a"), {3, false, Reference::bits16}), times(453, "a") + "...");
  CHECK_TEXT(sent(times(161, "a"), {1, false, Reference::bits8}), times(157, "a") + "...");
  CHECK_TEXT(sent(times(71, "ж"), {1, false, Reference::bits8}), times(67, "ж") + "...");
  CHECK_TEXT(sent(times(36, "😀"), {1, false, Reference::bits8}), times(33, "😀") + "...");
  CHECK_TEXT(sent(times(81, "€"), {1, false, Reference::bits8}), times(78, "€") + "...");
  CHECK_TEXT(sent(times(456, "a") + "e\u0301bcd", {7, false, Reference::bits8}), times(456, "a") + "e\u0301bcd");
}

TEST(sms_sent_text_is_transliterated_if_that_makes_all_of_it_gsm) {
  CHECK_TEXT(sent("Kessel 85 °C", kSpelled), "Kessel 85 C");
  CHECK_TEXT(sent("Kessel 85 °C", kThree), "Kessel 85 °C");
  CHECK_TEXT(sent("насос 85 °C", kSpelled), "насос 85 °C");  // UCS-2 all the same: nothing is gained
  CHECK_TEXT(sent("°", kSpelled), "°");                      // nothing would be left
  CHECK_TEXT(sent(times(100, "°a"), {1, true, Reference::bits8}), times(100, "a"));  // before it is cut
  CHECK_TEXT(sent(times(250, "°a"), {1, true, Reference::bits8}), times(157, "a") + "...");
  CHECK_TEXT(sent(times(512, "±"), {0, true, Reference::bits8}), times(512, "±"));  // 1,536 bytes
}

TEST(sms_repeat_mark_takes_no_further_segment) {
  const auto again = [](const std::string& text, const SmsRules& rules) { return sent(text, rules, Copy::repeat); };
  CHECK_TEXT(again("x", kAsWritten), "x (repeat)");
  CHECK_TEXT(again("85 °C", kSpelled), "85 C (repeat)");
  for (const SmsRules& rules : {kThree, kAsWritten}) {
    CHECK_TEXT(again(times(151, "a"), rules), times(151, "a") + " (repeat)");
    CHECK_TEXT(again(times(152, "a"), rules), times(152, "a"));
    CHECK_TEXT(again(times(61, "ж"), rules), times(61, "ж") + " (repeat)");
    CHECK_TEXT(again(times(62, "ж"), rules), times(62, "ж"));
    CHECK_TEXT(again(times(450, "a"), rules), times(450, "a") + " (repeat)");
    CHECK_TEXT(again(times(451, "a"), rules), times(451, "a"));
  }
  CHECK_TEXT(again(times(460, "a"), kThree), times(447, "a") + "... (repeat)");
  CHECK_TEXT(again(times(1016, "a"), kAsWritten), times(1016, "a"));  // above kMaxText bytes
}

// The most that may come: none of them leaves the memory, and each limit holds.
TEST(sms_sent_text_of_any_size_and_rule_is_within_its_bounds) {
  for (const char* const one : {"a", "{", "°", "ж", "€", "😀", "±", "e\u0301"})
    for (std::size_t bytes = 1; bytes <= kMaxText; bytes += bytes < 1000 ? 37 : 1) {
      const std::string text = times(bytes / 3, "a") + times((bytes - bytes / 3) / std::strlen(one), one);
      if (text.empty()) continue;
      for (std::uint8_t segments = 0; segments <= kMostSegments; ++segments)
        for (const bool spelled : {false, true})
          for (const Copy copy : {Copy::first, Copy::repeat}) {
            check::at("one=%s bytes=%zu segments=%u", one, bytes, static_cast<unsigned>(segments));
            const std::string seen = sent(text, {segments, spelled, Reference::bits16}, copy);
            CHECK(measure_sms(seen, Reference::bits16).segments <= kMostSegments);
            CHECK(measure_sms(seen, Reference::bits16).segments <= measure_sms(text, Reference::bits16).segments);
          }
    }
}

}  // namespace
