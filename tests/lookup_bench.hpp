// SPDX-License-Identifier: MIT
// A device with an API key: what the tests of the lookup have in common.
#pragma once

#include "sender_bench.hpp"
#include "tocsin/outbox/lookup.hpp"

namespace fakes {

inline const char* const kPhone = "447700900100";  // of the first that post() tells

// A device with an API key: the list is what the test says.
struct LookupBench : Bench {
  Service api;
  std::unique_ptr<ScriptStream> api_stream;
  std::unique_ptr<Lookup> lookup;
  Lookup::Settings settings;
  std::vector<std::string> listed;  // items of the list
  std::string envelope = "{\"items\":[LIST]}";
  Rules rules = Agent::patient();

  explicit LookupBench() {
    api.script = [this](const Request&) { return answer(200, body()); };
    settings.endpoint.host = "gw.test";
    settings.token = "api-key";
    settings.path_prefix = "/textpeak";
    begin();
  }
  std::string body() const {
    std::string list, whole = envelope;
    for (const std::string& one : listed) list += (list.empty() ? "" : ",") + one;
    return whole.replace(whole.find("LIST"), 4, list);
  }
  // After boot() as well.
  void begin() {
    agent->rules = rules;
    CHECK(agent->start());
    open();
  }
  void open() {
    api_stream = std::make_unique<ScriptStream>(api, clock);
    lookup = std::make_unique<Lookup>(agent->outbox, *api_stream, *agent, agent->arena);
    lookup->configure(settings);
    agent->lookup = lookup.get();
    agent->lookup_stream = api_stream.get();
    agent->sender.look_up_by(*lookup, agent->clocks());
  }
  // The service has each message, and the connection ends before the answer.
  void lose_answers(unsigned count = 1000) {
    service.script = [this, count](const Request& request) {
      if (request.number > count) return accept_all(request);
      Reply reply = accept_but(request, answer(200, ""));
      reply.cut_at = 0;
      reply.end = Reply::End::close;
      return reply;
    };
  }
  std::string date(Millis ago = Millis{0}) const {
    char memory[40];
    TextWriter writer(memory);
    write_service_date(UnixMillis{agent->clocks().wall.ms - ago.count}, writer);
    std::string text(writer.view());
    return text.replace(text.find("%20"), 3, " ");
  }
  std::string item(const std::string& uuid, const std::string& text, const std::string& more = {}) const {
    return "{\"message_uuid\":\"" + uuid + "\",\"sent_at\":\"" + date() + "\",\"destination_number\":\"" + kPhone +
           "\",\"content\":{\"text\":\"" + text + "\"}" + more + "}";
  }
  std::string last_target() const {
    return api.requests.empty() ? "" : api.requests.back().head.substr(0, api.requests.back().head.find(" HTTP"));
  }
};

}  // namespace fakes
