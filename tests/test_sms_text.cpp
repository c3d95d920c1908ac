// SPDX-License-Identifier: MIT
// Lengths are compared with a second count, made in another way: all of a text's units in one row, cut by hand.
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

// Perl's Encode::GSM0338 knows the alphabet from another source.
std::map<char32_t, unsigned> alphabet_of_perl() {
  std::map<char32_t, unsigned> all;
  std::FILE* perl = popen(
      "perl -MEncode -e 'for my $c (0..0xD7FF, 0xE000..0x10FFFF) {"
      " my $one = chr $c; my $octets = eval { encode(\"gsm0338\", $one, Encode::FB_CROAK) };"
      " printf \"%x %d\\n\", $c, length $octets if defined $octets && length $octets }'",
      "r");
  CHECK(perl != nullptr);
  unsigned long code = 0;
  unsigned septets = 0;
  while (std::fscanf(perl, "%lx %u", &code, &septets) == 2) all[static_cast<char32_t>(code)] = septets;
  CHECK_EQ(pclose(perl), 0);
  return all;
}

TEST(sms_alphabet_of_every_code_point_is_that_of_an_independent_table) {
  const auto all = alphabet_of_perl();
  CHECK_EQ(all.size(), 137);  // 127 and 10
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    const auto found = all.find(c);
    const unsigned expected = found == all.end() ? 0 : found->second;
    if (gsm_septets(c) == expected) continue;
    check::at("code=%x", static_cast<unsigned>(c));
    CHECK_EQ(gsm_septets(c), expected);
  }
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
      {"e\u0301 o\u0308", "e o"},  // combining
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
  for (char32_t c = 0x20; c <= 0x10FFFF; ++c) {
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

}  // namespace
