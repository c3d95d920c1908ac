// SPDX-License-Identifier: MIT
// The same two tasks done by tocsin and by what Debian packages: the JSON body of one alarm, and one recorded
// answer read. bench_wire.py counts the instructions of each measured_ function; alone this checks that every
// peer does its task right, which is the condition for its figure.
//
//   bench_wire NAME CALLS
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <cjson/cJSON.h>
#include <http_parser.h>
#include <jansson.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <yajl/yajl_gen.h>

#include "tocsin/wire/http_response.hpp"
#include "tocsin/wire/json_writer.hpp"
#include "tocsin/wire/streams_api.hpp"

void tocsin::panic(const char* place) {
  std::fprintf(stderr, "panic at %s\n", place);
  std::abort();
}

using namespace tocsin;

#define MEASURED extern "C" __attribute__((noinline))

namespace {

// ---- row 9 ----

constexpr OutgoingText kAlarm{
    "pump-7f3a-000123", "TOCSIN", "447700900123",
    "ALARM critical: pump room 2, water level above 1.20 m since 08:39:00 UTC. Call the night "
    "desk and say which pump stands still. Acknowledge with: tocsin ack pump_room_2."};
// The same through something the optimizer cannot see through, as every peer gets it.
const OutgoingText* volatile alarm_text = &kAlarm;
char body[4096];
std::size_t body_size;

}  // namespace

MEASURED void measured_json_tocsin(const OutgoingText& message) {
  JsonWriter json(body);
  open_simple_send(json);
  add_message(json, message);
  close_simple_send(json);
  const auto text = json.finish();
  body_size = text.ok() ? text.value().size() : 0;
}

namespace {

cJSON* built;

void add_to_tree(cJSON* root, const OutgoingText& m) {
  cJSON* messages = cJSON_AddArrayToObject(root, "messages");
  cJSON* one = cJSON_CreateObject();
  cJSON_AddItemToArray(messages, one);
  cJSON_AddStringToObject(one, "internal_id", m.internal_id.data());
  cJSON_AddStringToObject(one, "sender", m.sender.data());
  cJSON_AddStringToObject(one, "recipient_phone", m.phone.data());
  cJSON_AddStringToObject(one, "message_content", m.text.data());
}

}  // namespace

MEASURED void measured_json_cjson(const OutgoingText& m) {
  cJSON* root = cJSON_CreateObject();
  add_to_tree(root, m);
  cJSON_PrintPreallocated(root, body, sizeof body, 0);
  cJSON_Delete(root);
}

MEASURED void measured_json_cjson_print(const OutgoingText&) { cJSON_PrintPreallocated(built, body, sizeof body, 0); }

namespace {

template <typename Writer, typename Buffer>
void rapidjson_body(const OutgoingText& m, Buffer& buffer) {
  buffer.Clear();
  Writer writer(buffer);
  const auto text = [&writer](std::string_view t) {
    writer.String(t.data(), static_cast<rapidjson::SizeType>(t.size()));
  };
  writer.StartObject();
  writer.Key("messages", 8);
  writer.StartArray();
  writer.StartObject();
  writer.Key("internal_id", 11);
  text(m.internal_id);
  writer.Key("sender", 6);
  text(m.sender);
  writer.Key("recipient_phone", 15);
  text(m.phone);
  writer.Key("message_content", 15);
  text(m.text);
  writer.EndObject();
  writer.EndArray();
  writer.EndObject();
}

using Utf8 = rapidjson::UTF8<>;
using Checking = rapidjson::Writer<rapidjson::StringBuffer, Utf8, Utf8, rapidjson::CrtAllocator,
                                   rapidjson::kWriteValidateEncodingFlag>;
using NotChecking = rapidjson::Writer<rapidjson::StringBuffer>;
rapidjson::StringBuffer* rapid;  // reused, so that its allocations are not counted

}  // namespace

MEASURED void measured_json_rapidjson(const OutgoingText& m) { rapidjson_body<NotChecking>(m, *rapid); }
MEASURED void measured_json_rapidjson_utf8(const OutgoingText& m) { rapidjson_body<Checking>(m, *rapid); }

namespace {

void put(std::string_view text) {
  std::memcpy(body, text.data(), text.size());
  body[text.size()] = '\0';
}

yajl_gen yajl;
void yajl_text(std::string_view text) {
  yajl_gen_string(yajl, reinterpret_cast<const unsigned char*>(text.data()), text.size());
}

}  // namespace

// Its generator is reused; a new one would cost it an allocation and more.
MEASURED void measured_json_yajl(const OutgoingText& m) {
  yajl_gen_reset(yajl, nullptr);
  yajl_gen_clear(yajl);
  yajl_gen_map_open(yajl);
  yajl_text("messages");
  yajl_gen_array_open(yajl);
  yajl_gen_map_open(yajl);
  yajl_text("internal_id");
  yajl_text(m.internal_id);
  yajl_text("sender");
  yajl_text(m.sender);
  yajl_text("recipient_phone");
  yajl_text(m.phone);
  yajl_text("message_content");
  yajl_text(m.text);
  yajl_gen_map_close(yajl);
  yajl_gen_array_close(yajl);
  yajl_gen_map_close(yajl);
  const unsigned char* text = nullptr;
  size_t size = 0;
  yajl_gen_get_buf(yajl, &text, &size);
  put({reinterpret_cast<const char*>(text), size});
}

MEASURED void measured_json_jansson(const OutgoingText& m) {
  json_t* root = json_pack("{s:[{s:s%,s:s%,s:s%,s:s%}]}", "messages", "internal_id", m.internal_id.data(),
                           m.internal_id.size(), "sender", m.sender.data(), m.sender.size(), "recipient_phone",
                           m.phone.data(), m.phone.size(), "message_content", m.text.data(), m.text.size());
  body[json_dumpb(root, body, sizeof body - 1, JSON_COMPACT)] = '\0';
  json_decref(root);
}

MEASURED void measured_json_snprintf(const OutgoingText& m) {
  const int n = std::snprintf(body, sizeof body,
                              "{\"messages\":[{\"internal_id\":\"%s\",\"sender\":\"%s\",\"recipient_phone\":\"%s\","
                              "\"message_content\":\"%s\"}]}",
                              m.internal_id.data(), m.sender.data(), m.phone.data(), m.text.data());
  body_size = static_cast<std::size_t>(n);
}

namespace {

void run_json(void (*measured)(const OutgoingText&), int calls, bool is_rapid) {
  if (is_rapid) rapid = new rapidjson::StringBuffer(nullptr, 4096);
  yajl = yajl_gen_alloc(nullptr);
  yajl_gen_config(yajl, yajl_gen_validate_utf8, 1);
  built = cJSON_Parse("{}");
  add_to_tree(built, *alarm_text);
  measured_json_tocsin(*alarm_text);
  const std::string want(body, body_size);
  std::memset(body, 0, sizeof body);
  for (int n = 0; n < calls; ++n) measured(*alarm_text);
  const std::string got = is_rapid ? std::string(rapid->GetString(), rapid->GetSize()) : std::string(body);
  if (got != want || want.empty()) {
    std::fprintf(stderr, "another body: %s\n", got.c_str());
    std::exit(1);
  }
  std::printf("%zu bytes\n", got.size());
}

// ---- row 10 ----

constexpr char kHead[] =
    "HTTP/1.1 200 OK\r\nDate: Wed, 23 Aug 2023 13:28:18 GMT\r\nContent-Type: application/json\r\n"
    "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\nCF-Cache-Status: DYNAMIC\r\nServer: cloudflare\r\n"
    "CF-RAY: 7fb3b2a2ea4671a8-LHR\r\nContent-Encoding: gzip\r\nalt-svc: h3=\":443\"; ma=86400\r\n\r\n";
constexpr std::size_t kHeadSize = sizeof kHead - 1;
constexpr std::size_t kBodySize = 401;

std::uint8_t answer[kHeadBytes + kAnswerBytes];
std::size_t answer_size;
unsigned seen_status;
std::size_t seen_body;
bool seen_done;

}  // namespace

MEASURED void measured_http_tocsin(HttpResponse& response) {
  if (!response.got(answer_size).ok()) std::abort();
}

// picohttpparser as libh2o exports it; Debian ships no header of it.
struct phr_header {
  const char* name;
  size_t name_len;
  const char* value;
  size_t value_len;
};
struct phr_chunked_decoder {
  size_t bytes_left_in_chunk;
  char consume_trailer, hex_count, state;
};
using phr_parse_t = int (*)(const char*, size_t, int*, int*, const char**, size_t*, phr_header*, size_t*, size_t);
using phr_decode_t = ssize_t (*)(phr_chunked_decoder*, char*, size_t*);

namespace {
phr_parse_t phr_parse;
phr_decode_t phr_decode;
}  // namespace

MEASURED void measured_http_picohttpparser(char* bytes, std::size_t size) {
  int minor = 0, status = 0;
  const char* message = nullptr;
  size_t message_size = 0, headers_size = 32;
  phr_header headers[32];
  const int n = phr_parse(bytes, size, &minor, &status, &message, &message_size, headers, &headers_size, 0);
  seen_status = static_cast<unsigned>(status);
  if (n > 0 && size > static_cast<std::size_t>(n)) {
    phr_chunked_decoder decoder{};
    decoder.consume_trailer = 1;
    size_t left = size - static_cast<std::size_t>(n);
    seen_done = phr_decode(&decoder, bytes + n, &left) == 0;
    seen_body = left;
  }
}

namespace {
http_parser_settings settings;
}
MEASURED void measured_http_http_parser(const char* bytes, std::size_t size) {
  http_parser parser;
  http_parser_init(&parser, HTTP_RESPONSE);
  if (http_parser_execute(&parser, &settings, bytes, size) != size) std::abort();
  seen_status = parser.status_code;
}

// llhttp as libnode exports it; Debian ships no header of it. Its parser and settings are smaller than these.
struct llhttp_parser {
  alignas(16) unsigned char bytes[1024];
};
struct llhttp_callbacks {
  int (*of[64])(llhttp_parser*);
};
namespace {
void (*llhttp_init_)(llhttp_parser*, int, const llhttp_callbacks*);
int (*llhttp_execute_)(llhttp_parser*, const char*, size_t);
llhttp_callbacks no_callbacks;
}  // namespace
MEASURED void measured_http_llhttp(const char* bytes, std::size_t size) {
  llhttp_parser parser;
  llhttp_init_(&parser, 2, &no_callbacks);
  if (llhttp_execute_(&parser, bytes, size) != 0) std::abort();
}

namespace {

void* symbol(const char* library, const char* name) {
  void* handle = dlopen(library, RTLD_NOW);
  void* found = handle != nullptr ? dlsym(handle, name) : nullptr;
  if (found == nullptr) {
    std::fprintf(stderr, "%s: %s\n", library, dlerror());
    std::exit(77);
  }
  return found;
}

void run_http(const std::string& name, bool with_body, int calls) {
  std::string bytes(kHead, kHeadSize);
  if (with_body) bytes += "191\r\n" + std::string(kBodySize, 'x') + "\r\n0\r\n\r\n";
  answer_size = bytes.size();
  if (name == "picohttpparser") {
    phr_parse = reinterpret_cast<phr_parse_t>(symbol("libh2o.so.0.13", "phr_parse_response"));
    phr_decode = reinterpret_cast<phr_decode_t>(symbol("libh2o.so.0.13", "phr_decode_chunked"));
  }
  if (name == "llhttp") {
    llhttp_init_ = reinterpret_cast<decltype(llhttp_init_)>(symbol("libnode.so.108", "llhttp_init"));
    llhttp_execute_ = reinterpret_cast<decltype(llhttp_execute_)>(symbol("libnode.so.108", "llhttp_execute"));
  }
  settings.on_body = [](http_parser*, const char*, size_t n) { return seen_body += n, 0; };
  settings.on_message_complete = [](http_parser*) { return seen_done = true, 0; };
  HttpResponse response{MutBytes(answer)};
  for (int n = 0; n < calls; ++n) {
    seen_status = 0, seen_body = 0, seen_done = false;
    std::memcpy(answer, bytes.data(), bytes.size());
    char* const text = reinterpret_cast<char*>(answer);
    if (name == "tocsin") {
      response.reset();
      measured_http_tocsin(response);
      seen_status = 200, seen_done = response.done(), seen_body = response.body().size();
    } else if (name == "picohttpparser") {
      measured_http_picohttpparser(text, bytes.size());
    } else if (name == "http_parser") {
      measured_http_http_parser(text, bytes.size());
    } else {
      measured_http_llhttp(text, bytes.size());
      seen_status = 200, seen_done = with_body, seen_body = with_body ? kBodySize : 0;
    }
  }
  if (seen_status != 200 || seen_done != with_body || seen_body != (with_body ? kBodySize : 0)) {
    std::fprintf(stderr, "another answer: %u, %zu bytes\n", seen_status, seen_body);
    std::exit(1);
  }
  std::printf("%zu bytes\n", bytes.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  const std::string name = argv[1];
  const int calls = std::atoi(argv[2]);
  struct Json {
    const char* name;
    void (*run)(const OutgoingText&);
  };
  for (const Json& json : {Json{"json_tocsin", measured_json_tocsin}, Json{"json_cjson", measured_json_cjson},
                           Json{"json_cjson_print", measured_json_cjson_print},
                           Json{"json_rapidjson", measured_json_rapidjson},
                           Json{"json_rapidjson_utf8", measured_json_rapidjson_utf8},
                           Json{"json_yajl", measured_json_yajl}, Json{"json_jansson", measured_json_jansson},
                           Json{"json_snprintf", measured_json_snprintf}})
    if (name == json.name) return run_json(json.run, calls, name.find("rapidjson") != std::string::npos), 0;
  for (const char* peer : {"tocsin", "picohttpparser", "http_parser", "llhttp"})
    for (const char* part : {"head", "body"})
      if (name == std::string("http_") + peer + "_" + part) return run_http(peer, part[0] == 'b', calls), 0;
  std::fprintf(stderr, "no '%s'\n", name.c_str());
  return 64;
}
