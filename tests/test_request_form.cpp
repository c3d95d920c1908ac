// SPDX-License-Identifier: MIT
#include "tocsin/wire/request_form.hpp"

#include <cjson/cJSON.h>

#include <string>

#include "check.hpp"
#include "fakes/guard_page.hpp"
#include "tocsin/limits.hpp"

using namespace tocsin;

namespace {

struct Read {
  std::string json;  // the form is a view into it
  RequestForm form;
  RequestForm::Problem problem;
  Status status;
};
void read(std::string_view json, Read& into) {
  into.json = json;
  into.form = {};
  into.status = into.form.read(into.json, into.problem);
  if (!into.status.ok()) CHECK(into.form.empty());
}

OutgoingText sample() {
  OutgoingText message;
  message.phone = "447700900123";
  message.text = "Pump 3: level high";
  message.internal_id = "gw7-x7Qz-17";
  message.sender = "GLOBAL";
  message.device = "gw7";
  message.alarm = "high-level";
  message.message_class = "critical";
  message.state = "raised";
  return message;
}

std::string filled(const RequestForm& form, const OutgoingText& message) {
  static char into[kRequestBodyBytes];
  const auto body = form.fill(message, into);
  CHECK_OK(body);
  return std::string(body.value());
}

constexpr std::string_view kLeast = R"({"to":"{{recipient}}","body":"{{text}}"})";

}  // namespace

TEST(form_as_the_portal_shows_it_is_filled_in) {
  Read seen;
  read("\xEF\xBB\xBF{\r\n  \"event\": \"alarm\",\n  \"recipients\": [{\"internal_id\": \"{{internal_id}}\", \"recipient_phone\": "
       "\"+{{recipient}}\", \"sender\":\"{{ sender }}\",\"template_variables\":{\"text\":\"{{device}}: {{text}} ({{class}})\","
       "\"alarm\":\"{{alarm}} {{state}}\"}}],\n  \"n\": [-1.5e3, true, false, null, {}, [], \"\", \"\\u00e9\\uD83d\\uDE00\\n\\\"{ {\"]\n}\r\n", seen);
  CHECK_TEXT(seen.problem.words.view(), "");
  CHECK_OK(seen.status);
  CHECK_TEXT(filled(seen.form, sample()),
             "{\r\n  \"event\": \"alarm\",\n  \"recipients\": [{\"internal_id\": \"gw7-x7Qz-17\", \"recipient_phone\": "
             "\"+447700900123\", \"sender\":\"GLOBAL\",\"template_variables\":{\"text\":\"gw7: Pump 3: level high "
             "(critical)\",\"alarm\":\"high-level raised\"}}],\n  \"n\": [-1.5e3, true, false, null, {}, [], \"\", "
             "\"\\u00e9\\uD83d\\uDE00\\n\\\"{ {\"]\n}");
}

TEST(form_tells_which_places_it_has) {
  Read seen;
  read(kLeast, seen);
  CHECK_OK(seen.status);
  for (std::size_t at = 0; at < kPlaceCount; ++at) {
    const auto place = static_cast<Place>(at);
    CHECK_EQ(seen.form.has(place), place == Place::recipient || place == Place::text);
  }
  read(R"({"to":"{{recipient}}","x":"{{internal_id}} {{alarm}}"})", seen);
  CHECK(seen.form.has(Place::internal_id));
  CHECK(seen.form.has(Place::alarm));
  CHECK(!seen.form.has(Place::text));
}

TEST(form_of_a_code_has_places_of_its_own) {
  using Of = RequestForm::Of;
  OutgoingText values;
  values.phone = "447700900123";
  values.code = "AB-48213";
  values.device = "gw7";
  values.sender = "GLOBAL";
  RequestForm form;
  RequestForm::Problem problem;
  const std::string_view whole = R"j({"to":"+{{recipient}}","v":{"code":"{{code}} ({{device}})"},"from":"{{sender}}","internal_id":"any"})j";
  for (const Of of : {Of::code, Of::verification}) {
    CHECK_OK(form.read(whole, problem, of));
    CHECK(form.has(Place::code));
    CHECK_TEXT(filled(form, values),
               R"j({"to":"+447700900123","v":{"code":"AB-48213 (gw7)"},"from":"GLOBAL","internal_id":"any"})j");
  }
  CHECK_OK(form.read(R"({"to":"{{recipient}}"})", problem, Of::code));  // the service makes the code
  CHECK(!form.has(Place::code));

  const std::string known = "}} is not known; there are {{device}} {{recipient}} {{sender}} {{code}} "
                            "(write \\u007b for a { that is meant so)";
  const auto refused = [&](std::string_view json, Of of, const std::string& why) {
    check::at("json=%s", std::string(json).c_str());
    CHECK_CODE(form.read(json, problem, of), Code::bad_value);
    CHECK_TEXT(problem.words.view(), why);
  };
  refused(R"({"to":"{{recipient}}"})", Of::verification, "it has no {{code}}: write it where the code stands");
  refused(R"({"code":"{{code}}"})", Of::verification, "it has no {{recipient}}: write it where the phone number stands");
  refused(R"({"code":"{{code}}"})", Of::code, "it has no {{recipient}}: write it where the phone number stands");
  for (const char* other : {"text", "alarm", "class", "state", "internal_id"})
    refused("{\"to\":\"{{recipient}}\",\"x\":\"{{" + std::string(other) + "}}\"}", Of::code, "{{" + (other + known));
  CHECK_CODE(form.read(R"({"to":"{{recipient}}","text":"{{text}}","code":"{{code}}"})", problem), Code::bad_value);
  CHECK(starts_with(problem.words.view(), "{{code}} is not known; there are {{text}} "));
}

// An answer gives back what stands under that name; an id anywhere else is the portal's business.
TEST(form_has_an_internal_id_only_under_that_name) {
  Read seen;
  read(R"({"to":"{{recipient}}","x":"{{text}}","n":[{"internal_id" : "{{ internal_id }}","y":1}]})", seen);
  CHECK_OK(seen.status);
  CHECK(seen.form.has_internal_id());
  read(R"({"to":"{{recipient}}","x":"{{text}}","reference":"tocsin {{internal_id}}","y":["internal_id"]})", seen);
  CHECK_OK(seen.status);
  CHECK(!seen.form.has_internal_id());
  CHECK(seen.form.has(Place::internal_id));
}

TEST(form_filled_with_anything_stays_the_same_json_with_that_text_in_it) {
  Read seen;
  read(R"({"to":"{{recipient}}","a":"x{{text}}{{text}}y","b":["\"{{text}}"]})", seen);
  CHECK_OK(seen.status);
  const std::string_view all[] = {"",
                                  "\"},{\"x\":\"",
                                  "\\",
                                  "line\nline\x01",
                                  "{{recipient}}",  // nothing is filled in twice
                                  "}}",
                                  "{",
                                  "Öl 5 °C 😀"};
  for (const std::string_view text : all) {
    check::at("text=%.*s", static_cast<int>(text.size()), text.data());
    OutgoingText message = sample();
    message.text = text;
    const std::string body = filled(seen.form, message);
    cJSON* root = cJSON_ParseWithLength(body.data(), body.size());
    CHECK(root != nullptr);
    CHECK_EQ(cJSON_GetArraySize(root), 3);
    CHECK_TEXT(cJSON_GetObjectItem(root, "to")->valuestring, "447700900123");
    CHECK_TEXT(cJSON_GetObjectItem(root, "a")->valuestring, "x" + std::string(text) + std::string(text) + "y");
    CHECK_TEXT(cJSON_GetArrayItem(cJSON_GetObjectItem(root, "b"), 0)->valuestring, "\"" + std::string(text));
    cJSON_Delete(root);
  }
}

TEST(form_with_bad_utf8_filled_in_is_refused) {
  Read seen;
  read(kLeast, seen);
  OutgoingText message = sample();
  message.text = "\xC3";
  char into[400];
  CHECK_CODE(seen.form.fill(message, into), Code::bad_value);
}

TEST(form_needs_exactly_its_size) {
  Read seen;
  read(R"({"to":"{{recipient}}","body":"<{{text}}>"})", seen);
  const std::string expected = filled(seen.form, sample());
  constexpr std::size_t kMost = 200;
  GuardPage guard(kMost);
  for (std::size_t room = 0; room <= kMost; ++room) {
    check::at("room=%zu", room);
    const MutBytes last = guard.last(room);
    const auto again = seen.form.fill(sample(), {reinterpret_cast<char*>(last.data()), room});
    if (room < expected.size()) {
      CHECK_CODE(again, Code::full);
    } else {
      CHECK_OK(again);
      CHECK_TEXT(again.value(), expected);
    }
  }
}

TEST(form_that_cannot_be_right_is_refused_in_words) {
  struct Wrong {
    std::string_view json;
    std::uint32_t line;
    std::string_view why;
  };
  const std::string_view kKnown =
      " is not known; there are {{text}} {{device}} {{alarm}} {{class}} {{state}} {{recipient}} {{internal_id}} {{sender}} "
      "(write \\u007b for a { that is meant so)";
  const std::string unknown = "{{phone}}" + std::string(kKnown), numbered = "{{1}}" + std::string(kKnown),
                    three = "{{{recipient}}" + std::string(kKnown);
  const Wrong all[] = {
      {"", 1, "it does not begin with {: copy the whole body, from { to }"},
      {"\n\n  POST /x\n{}", 3, "it does not begin with {: copy the whole body, from { to }"},
      {R"(["{{recipient}}{{text}}"])", 1, "it does not begin with {: copy the whole body, from { to }"},
      {"{\"to\":\n{{recipient}},\"text\":\"{{text}}\"}", 2,
       "{{recipient}} stands outside of a text: write \"{{recipient}}\""},
      {"{\"to\":[{{recipient}}]}", 1, "{{recipient}} stands outside of a text: write \"{{recipient}}\""},
      {"{{text}}", 1, "{{text}} stands outside of a text: write \"{{text}}\""},
      {"{\"to\":\"{{recipient}}\",\n}", 2, "a name in double quotes is missing here (perhaps a comma is too much)"},
      {"{to:\"{{recipient}}\"}", 1, "a name in double quotes is missing here (perhaps a comma is too much)"},
      {"{\"to\" \"{{recipient}}\"}", 1, "a : is missing here"},
      {"{\"to\":\"{{recipient}}\"\n\"text\":\"{{text}}\"}", 2, "a comma or } is missing here"},
      {"{\"to\":[1 2]}", 1, "a comma or ] is missing here"},
      {"{\"to\":[1,]}", 1, "a value is missing or misspelled here: texts stand in double quotes"},
      {"{\"to\":'{{recipient}}'}", 1, "a value is missing or misspelled here: texts stand in double quotes"},
      {"{\"to\":+1}", 1, "a value is missing or misspelled here: texts stand in double quotes"},
      {"{\"to\":01}", 1, "a value is missing or misspelled here: texts stand in double quotes"},
      {"{\"to\":True}", 1, "a value is missing or misspelled here: texts stand in double quotes"},
      {"{\"to\":truely}", 1, "a comma or } is missing here"},
      {"{\"to\":", 1, "a value is missing or misspelled here: texts stand in double quotes"},
      {"{\"to\":\"x", 1, "it ends within a text"},
      {"{\"to\":\"x\n\"}", 1, "a line ends within a text: write \\n, or close the quotes"},
      {"{\"to\":\"\\x\"}", 1, "a \\ that means nothing: write \\\\ for the character itself"},
      {"{\"to\":\"\\u12g4\"}", 1, "a \\ that means nothing: write \\\\ for the character itself"},
      {"{\"to\":\"\\u12", 1, "a \\ that means nothing: write \\\\ for the character itself"},
      {R"({"to":"\ud83d x"})", 1, "half of a character: write both of its \\u, or the character itself"},
      {R"({"to":"\ud83d\u0041"})", 1, "half of a character: write both of its \\u, or the character itself"},
      {R"({"to":"\ud83d\ud83d"})", 1, "half of a character: write both of its \\u, or the character itself"},
      {R"({"to":"\ude00"})", 1, "half of a character: write both of its \\u, or the character itself"},
      {R"({"to":"\ud83d\ude0"})", 1, "half of a character: write both of its \\u, or the character itself"},
      {"{\"to\":\"\\", 1, "a \\ that means nothing: write \\\\ for the character itself"},
      {"{\"to\":\"{{recipient}}\",\"text\":\"{{text}}\"} x", 1, "something stands behind the } that ends it: leave one body"},
      {"{\"to\":\"{{recipient}}\",\"text\":\"{{text}}\"}\n{}", 2, "something stands behind the } that ends it: leave one body"},
      {"{\"to\":\"{{recipient}}\",\n\"{{text}}\" : 1}", 2, "{{text}} stands in a name: only values can be filled in"},
      {"{\n\n\"to\":\"{{phone}}\"}", 3, unknown},
      {"{\"to\":\"Alarm {{1}}\"}", 1, numbered},
      {"{\"to\":\"{{recipient\",\"b\":\"}}\"}", 1, "{{recipient has no }} behind it"},
      {"{\"to\":\"{{recipient}\"}", 1, "{{recipient} has no }} behind it"},
      {"{\"to\":\"{{", 1, "{{ has no }} behind it"},
      {"{\"to\":\"{{{recipient}}}\",\"t\":\"{{text}}\"}", 1, three},
      {"{\"to\":\"x\",\"text\":\"{{text}}\"}", 0, "it has no {{recipient}}: write it where the phone number stands"},
      {"{\"to\":\"{{recipient}}\",\"x\":\"{{device}}\"}", 0,
       "it has neither {{text}} nor {{alarm}}: nobody would know what happened"},
      {"{\"to\":\"{{recipient}}{{text}}\",\n\"internal_id\":\"1003\"}", 2,
       "the value of internal_id must be \"{{internal_id}}\" alone: answers are matched by it"},
      {"{\"internal_id\":\"x-{{internal_id}}\"}", 1,
       "the value of internal_id must be \"{{internal_id}}\" alone: answers are matched by it"},
      {"{\"internal_id\":\"{{internal_id}}{{internal_id}}\"}", 1,
       "the value of internal_id must be \"{{internal_id}}\" alone: answers are matched by it"},
      {"{\"internal_id\":1003}", 1,
       "the value of internal_id must be \"{{internal_id}}\" alone: answers are matched by it"},
      {"{\"internal_id\":[\"{{internal_id}}\"]}", 1,
       "the value of internal_id must be \"{{internal_id}}\" alone: answers are matched by it"},
      {"{\"internal_id\":\"\"}", 1, "the value of internal_id must be \"{{internal_id}}\" alone: answers are matched by it"},
      {"{\"to\":\n\"\xFC\"}", 2, "it is not UTF-8 here: save it as UTF-8"},
      {std::string_view("{\0}", 3), 1, "a name in double quotes is missing here (perhaps a comma is too much)"},
  };
  for (const Wrong& one : all) {
    check::at("json=%.*s", static_cast<int>(one.json.size()), one.json.data());
    Read seen;
    read(one.json, seen);
    CHECK_CODE(seen.status, Code::bad_value);
    CHECK_TEXT(seen.problem.words.view(), one.why);
    CHECK_EQ(seen.problem.line, one.line);
  }
}

TEST(form_as_deep_and_as_large_as_it_may_be_is_taken) {
  const auto nested = [](unsigned depth) {
    return R"({"to":"{{recipient}}{{text}}","x":)" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
  };
  Read seen;
  read(nested(kFormDepth), seen);
  CHECK_OK(seen.status);
  read(nested(kFormDepth + 1), seen);
  CHECK_TEXT(seen.problem.words.view(), "it is nested too deeply");

  std::string large = R"({"to":"{{recipient}}{{text}}","x":""})";
  large.insert(large.size() - 2, kMaxForm - large.size(), 'x');
  read(large, seen);
  CHECK_OK(seen.status);
  large.insert(large.size() - 2, 1, 'x');
  read(large, seen);
  CHECK_CODE(seen.status, Code::too_big);
  CHECK_TEXT(seen.problem.words.view(), "it is larger than 4096 bytes: is this the right file?");
}

// With what it may be filled in with at the longest, a form that is taken fits a request; else it is refused at once.
TEST(form_that_is_taken_always_fits_a_request) {
  static char text[kMaxText], name[kMaxName];
  std::memset(text, '"', sizeof text);
  std::memset(name, '"', sizeof name);
  OutgoingText longest;
  longest.phone = "447700900123456";
  longest.text = {text, kMaxText};
  longest.sender = {name, kMaxSender};
  longest.internal_id = "boiler-room-number-7-x7Qz-4294967295";
  CHECK_EQ(longest.internal_id.size(), kMaxId);
  longest.device = "boiler-room-number-7";
  longest.alarm = "12345678901234567890123456789012";
  longest.message_class = "critical";
  longest.state = "cleared";
  for (const std::size_t texts : {1U, 2U, 4U, 5U, 6U}) {
    std::string json = R"({"to":"{{recipient}}","i":"{{internal_id}}{{sender}}{{device}}{{alarm}}{{class}}{{state}}","x":")";
    for (std::size_t n = 0; n < texts; ++n) json += "{{text}}";
    json += "\"}";
    check::at("texts=%zu", texts);
    Read seen;
    read(json, seen);
    CHECK_EQ(seen.status.ok(), texts < 5);
    if (!seen.status.ok()) {
      CHECK_CODE(seen.status, Code::too_big);
      CHECK_TEXT(tail(seen.problem.words.view(), 27), " bytes, and a request has at most 10240: write {{text}} fewer times");
      continue;
    }
    CHECK(filled(seen.form, longest).size() <= kRequestBodyBytes);
  }
}

TEST(form_that_is_refused_leaves_the_one_before) {
  Read seen;
  read(kLeast, seen);
  RequestForm::Problem problem;
  CHECK_CODE(seen.form.read("{}", problem), Code::bad_value);
  CHECK_TEXT(filled(seen.form, sample()), R"({"to":"447700900123","body":"Pump 3: level high"})");
}

// Cut anywhere, changed anywhere: read in bounds, and what is taken is JSON for another reader too.
TEST(form_with_any_byte_anywhere_is_json_or_refused) {
  const std::string good = R"({"a":[{"to":"{{recipient}}"},-1.5e+3,true],"b":"\u00e9{{text}}\"","c":null})";
  GuardPage page(4096);
  std::size_t taken = 0;
  const auto look = [&](const std::string& json) {
    check::at("json=%s", json.c_str());
    RequestForm form;
    RequestForm::Problem problem;
    const std::string_view kept = page.put(std::string_view{json});
    if (!form.read(kept, problem).ok()) {
      CHECK(!problem.words.empty());
      return;
    }
    ++taken;
    const std::string body = filled(form, sample());
    const char* end = nullptr;
    cJSON* root = cJSON_ParseWithLengthOpts(body.data(), body.size(), &end, 0);
    CHECK(root != nullptr && end == body.data() + body.size());
    cJSON_Delete(root);
  };
  for (std::size_t at = 0; at <= good.size(); ++at) {
    look(good.substr(0, at));
    look(good.substr(at));
    for (unsigned byte = 0; byte < 256; ++byte) {
      std::string changed = good, longer = good;
      if (at < good.size()) changed[at] = static_cast<char>(byte);
      longer.insert(at, 1, static_cast<char>(byte));
      look(changed);
      look(longer);
    }
  }
  CHECK(taken > 1000);
}
