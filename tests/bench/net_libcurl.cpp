// SPDX-License-Identifier: MIT
// The same with libcurl, as its manual shows it: one easy handle, so that the connection is kept. The body is written
// with snprintf, and of the answer it looks for "error":null alone; there is no JSON library.
#include <curl/curl.h>

#include "tests/bench/net_task.hpp"

namespace {

Task task;
CURL* curl;
char body[16'384], answer[65'536];
std::size_t came;
unsigned next_id = kFirstId;

std::size_t take(char* from, std::size_t, std::size_t size, void*) {
  if (came + size >= sizeof answer) return 0;
  std::memcpy(answer + came, from, size);
  came += size;
  answer[came] = 0;
  return size;
}

}  // namespace

MEASURED void measured_alarm() {
  int size = std::snprintf(body, sizeof body, "{\"messages\":[");
  for (unsigned i = 0; i < task.batch(); ++i)
    size += std::snprintf(body + size, sizeof body - static_cast<std::size_t>(size),
                          "%s{\"internal_id\":\"%s%u\",\"sender\":\"%s\",\"recipient_phone\":\"%s\","
                          "\"message_content\":\"%s\"}",
                          i > 0 ? "," : "", kIdBegin, next_id++, kSender, kPhone, kText);
  size += std::snprintf(body + size, sizeof body - static_cast<std::size_t>(size), "]}");
  came = 0;
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, static_cast<long>(size));
  const CURLcode done = curl_easy_perform(curl);
  if (done != CURLE_OK) die(curl_easy_strerror(done), done);
  if (std::strstr(answer, "\"error\": null") == nullptr && std::strstr(answer, "\"error\":null") == nullptr) die(answer);
}

int main(int count, char** words) {
  task = task_from(count, words);
  char url[256], authorization[600];
  std::snprintf(url, sizeof url, "https://%s:%s%s", task.address, task.port, kPath);
  std::snprintf(authorization, sizeof authorization, "Authorization: %s", task.token);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  curl = curl_easy_init();
  curl_slist* fields = curl_slist_append(nullptr, authorization);
  fields = curl_slist_append(fields, "Content-Type: application/json");
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_CAINFO, task.ca_file);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
  for (unsigned i = 0; i < task.count; ++i) measured_alarm();
  curl_easy_cleanup(curl);
  return 0;
}
