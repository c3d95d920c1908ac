// SPDX-License-Identifier: MIT
// `tocsin run`: the daemon, in the foreground.
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "port/linux/clock.hpp"
#include "port/linux/supervisor.hpp"
#include "src/program/commands.hpp"
#include "src/program/in_place.hpp"
#include "src/program/owner.hpp"
#include "tocsin/wire/phone.hpp"

namespace tocsin {
namespace {

constexpr Millis kCloseWithin = seconds(8);
constexpr Millis kLeastWatchdog = seconds(30);
// Between two starts because the resolver's keeper has ended: where it always does, that costs little.
constexpr Millis kKeeperPatience = seconds(10);

enum class Wish : std::uint8_t { none, stop, reload, look_at_children };

Wish read_signal(int fd) {
  signalfd_siginfo info;
  if (::read(fd, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return Wish::none;
  if (info.ssi_signo == SIGCHLD) return Wish::look_at_children;
  return info.ssi_signo == SIGHUP ? Wish::reload : Wish::stop;
}

// Takes in every child that has ended, those of the program before execv() as well. Whether `keeper` is one.
bool has_ended(pid_t keeper) {
  bool ended = false;
  for (pid_t child = ::waitpid(-1, nullptr, WNOHANG); child > 0; child = ::waitpid(-1, nullptr, WNOHANG))
    ended = ended || child == keeper;
  return ended;
}

// What a file that is right in itself would still break: the queue would be another one, the new start would end at a
// line that is not there, or a stream would be held for a form that is no good.
bool suits_running(const Config& now, const Config& next, TextWriter& why) {
  if (next.device.state != now.device.state || next.device.control != now.device.control ||
      next.device.state_device != now.device.state_device) {
    why.text("`state`, `state_device` and `control` in [device] cannot change while it runs: ");
    why.text("stop it, then start it anew");
    return false;
  }
  for (std::size_t i = 0; i < next.alarm_count; ++i) {
    const AlarmConfig& alarm = next.alarms[i];
    bool is_open = alarm.gpio.empty();
    for (std::size_t k = 0; k < now.alarm_count; ++k) is_open = is_open || now.alarms[k].gpio == alarm.gpio;
    GpioLine& line = in_place<GpioLine>();
    if (is_open || line.open(alarm.gpio, alarm.debounce).ok()) {
      line.close();
      continue;
    }
    why.text("alarm ").text(alarm.name).text(": ").text(line.problem());
    return false;
  }
  for (const StreamConfig& stream : Span<const StreamConfig>{next.streams}.first(next.stream_count)) {
    static char form_text[kMaxForm + 1];
    RequestForm form;
    if (stream.request == RequestKind::form && !read_request_body(stream, form_text, form, why).ok()) return false;
  }
  OwnCertificate own(OwnCertificate::kOfWebhook);  // who calls would not be served any more
  own.name(next.webhook.cert_file, next.webhook.key_file);
  if (!own.take(why).ok()) return false;
  own.give_back();
  return true;
}

LogLevel level_of(const ConfigErrors::Entry& entry) {
  return entry.kind == ConfigErrors::Kind::warning ? LogLevel::warning : LogLevel::error;
}

// A bad file leaves the configuration in force as it is, and says so. Nothing starts anew while that would
// lose a message. `next`: the text that was looked at.
bool may_reload(const Call& call, const Owner& owner, Log& log, Fd& next) {
  char text[Log::kMaxLine];
  if (const std::size_t count = owner.only_in_memory(); count > 0) {
    TextWriter line(text);
    line.text("not started anew: ").number(count).text(count == 1 ? " message is" : " messages are");
    log.line(read_clocks().now, LogLevel::error,
             line.text(" in memory only, as the medium fails; mend that first").view());
    return false;
  }
  auto& file = in_place<ConfigFile, 1>();  // place 0 holds the one in force
  auto& errors = in_place<ConfigErrors, 1>();
  if (load_config(call.config_path, file, errors).ok()) {
    TextWriter why(text);
    if (suits_running(call.config, file.config, why)) return keep_text(file, next), true;
    log.line(read_clocks().now, LogLevel::error, why.view());
  }
  for (std::size_t at = 0; at < errors.kept(); ++at) {
    char masked[Log::kMaxLine];
    TextWriter line(text), words(masked);
    errors.write(at, line, {});  // the log says it
    write_without_phones(line.view(), words);
    log.line(read_clocks().now, level_of(errors.entry(at)), words.view());
  }
  log.line(read_clocks().now, LogLevel::error, "not reloaded: the configuration in force stays");
  return false;
}

}  // namespace

Exit run_daemon(const Call& call) {
  complain_in_own_words();
  // Blocked from the first moment, and across execv(): a second SIGHUP while the first is being followed
  // waits for the program that comes, where by default it would end it.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&signals, number);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGCHLD, SIG_DFL);  // whoever started this may have had it ignored: then none would be told

  static Resolver resolver;  // forks its keeper: first of all, before lock and threads
  if (Owner::looks_up(call.config) && !resolver.start().ok()) {
    complain("cannot start the name resolver process: out of processes or memory?");
    return Exit::internal;
  }
  const Fd signal_fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));

  auto& log = in_place<Log, 1>();  // place 0 is for what is printed
  if (call.arguments.to_syslog) log.to_syslog().ignore();  // that there is none was said when it started

  Owner& owner = in_place<Owner>(resolver, log);
  char words[500];
  TextWriter why(words);
  const Exit opened = owner.open(call.config, Role::daemon, why);
  if (opened != Exit::done) {
    complain(why.view());
    return opened;
  }
  const auto say = [&log](LogLevel level, std::string_view text) { log.line(read_clocks().now, level, text); };
  if (owner.open_streams(why) != Exit::done) why.clear();  // said as the reason of the held stream
  const Exit lines = owner.open_lines(why);
  if (lines != Exit::done) {
    // A gateway with a wrong line name must not look as if it watched.
    complain(why.view());
    owner.close(kCloseWithin);
    return lines;
  }
  owner.open_hooks();
  TextWriter ready(words);
  std::size_t waiting = 0;
  for (std::size_t at = 0; at < owner.index().size(); ++at)
    waiting += ended(owner.index()[at].state) ? 0U : 1U;
  ready.text("running as ")
      .text(call.config.device.name)
      .text(", ")
      .number(waiting)
      .text(waiting == 1 ? " message waits" : " messages wait");
  if (owner.found().damaged > 0)
    ready.text(", ").number(owner.found().damaged)
        .text(owner.found().damaged == 1 ? " damaged record left out" : " damaged records left out");
  say(LogLevel::info, ready.view());
  for (std::size_t at = 0; at < call.remarks.kept(); ++at) {
    TextWriter line(words);
    call.remarks.write(at, line, {});
    say(level_of(call.remarks.entry(at)), line.view());
  }
  Supervisor supervisor;
  supervisor.open(::getenv("NOTIFY_SOCKET"), ::getenv("WATCHDOG_USEC"), ::getenv("WATCHDOG_PID"));
  if (const Millis watchdog = supervisor.watchdog(); watchdog.count > 0 && watchdog < kLeastWatchdog) {
    TextWriter line(words);
    line.text("the supervisor ends this daemon when it says nothing for ");
    line.number(static_cast<std::uint64_t>(watchdog.count));
    line.text(" ms, and so may lose what is in memory only: set WatchdogSec= to 30 s at least");
    say(LogLevel::warning, line.view());
  }
  supervisor.ready(read_clocks().now);

  const Instant earliest = read_clocks().now + kKeeperPatience;
  Instant without_keeper = kNever;  // when to start anew to have one again
  const auto look_at_children = [&] {
    if (!has_ended(resolver.keeper())) return;
    say(LogLevel::warning, "the look-up process tocsin-names has ended: starting anew for another one");
    without_keeper = earliest;
  };
  look_at_children();  // the keeper of the program before execv(), too
  Wish wish = Wish::none;
  Fd next;
  while (wish == Wish::none) {
    if (const Instant now = read_clocks().now; now >= without_keeper) {
      without_keeper = now + kKeeperPatience;  // a file that is being edited would end the new start
      if (may_reload(call, owner, log, next)) break;
    }
    supervisor.poll(read_clocks().now);
    if (!owner.turn(earlier(without_keeper, supervisor.due()), signal_fd.number())) continue;
    wish = read_signal(signal_fd.number());
    if (wish == Wish::look_at_children) {
      wish = Wish::none;
      look_at_children();
    }
    if (wish == Wish::reload && !may_reload(call, owner, log, next)) wish = Wish::none;
  }
  if (wish == Wish::stop) {
    say(LogLevel::info, "stopping");
    supervisor.stopping();
  }
  if (wish == Wish::reload) say(LogLevel::info, "starting anew with the changed configuration");
  owner.close(kCloseWithin);
  if (wish == Wish::stop) {
    say(LogLevel::info, "stopped");
    return Exit::done;
  }
  carry_over(next);  // the requests took a while to end, and the file may be half edited by now
  ::execv("/proc/self/exe", call.words);
  complain("cannot start anew: stopped instead");
  return Exit::internal;
}

}  // namespace tocsin
