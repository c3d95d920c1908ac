// SPDX-License-Identifier: MIT
// The memory of a program and all its processes at its largest: the sum of Pss in smaps_rollup, looked at when any of
// them enters or leaves a system call, and when one begins or ends. Memory goes only by a system call, so nothing
// that stays until the next one is missed.
//
// Pss shares a page among all who have it, servers of the same machine too; the largest sum of Rss counts it whole.
//
//   pss_peak PROGRAM WORDS...     its own words go on; the figures, in KiB, are the last line of stderr
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <set>
#include <string>

namespace {

struct Kib {
  long rss = 0, pss = 0;
};

Kib memory_of(pid_t process) {
  const std::string name = "/proc/" + std::to_string(process) + "/smaps_rollup";
  std::FILE* file = std::fopen(name.c_str(), "r");
  Kib found;
  if (file == nullptr) return found;
  char line[256];
  while (found.pss == 0 && std::fgets(line, sizeof line, file) != nullptr)
    if (std::sscanf(line, "Rss: %ld kB", &found.rss) == 0) std::sscanf(line, "Pss: %ld kB", &found.pss);
  std::fclose(file);
  return found;
}

// A thread shares its process's memory: only the first of them counts.
pid_t process_of(pid_t task) {
  std::FILE* file = std::fopen(("/proc/" + std::to_string(task) + "/status").c_str(), "r");
  if (file == nullptr) return 0;
  char line[256];
  int process = 0;
  while (std::fgets(line, sizeof line, file) != nullptr)
    if (std::sscanf(line, "Tgid: %d", &process) == 1) break;
  std::fclose(file);
  return process;
}

}  // namespace

int main(int count, char** words) {
  if (count < 2) return 64;
  const pid_t first = fork();
  if (first == 0) {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    raise(SIGSTOP);
    execvp(words[1], words + 1);
    _exit(127);
  }
  int status = 0;
  waitpid(first, &status, 0);
  ptrace(PTRACE_SETOPTIONS, first, nullptr,
         PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
             PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL);
  ptrace(PTRACE_SYSCALL, first, nullptr, nullptr);
  std::set<pid_t> processes;
  bool began = false;  // before execve it is this program
  Kib peak;
  std::size_t most = 0;
  int exit_status = 1;
  for (;;) {
    const pid_t task = waitpid(-1, &status, __WALL);
    if (task < 0 && errno == EINTR) continue;
    if (task < 0) break;
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      processes.erase(task);
      if (task == first) exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      continue;
    }
    const int event = status >> 16, signal = WSTOPSIG(status);
    if (event == PTRACE_EVENT_EXEC && task == first) began = true;
    if (began && process_of(task) == task) processes.insert(task);
    if (began) {
      Kib sum;
      for (const pid_t process : processes) {
        const Kib one = memory_of(process);
        sum.rss += one.rss, sum.pss += one.pss;
      }
      if (sum.pss > peak.pss) peak.pss = sum.pss, most = processes.size();
      if (sum.rss > peak.rss) peak.rss = sum.rss;
    }
    const bool own = signal == (SIGTRAP | 0x80) || event != 0 || (signal == SIGSTOP && task != first);
    ptrace(PTRACE_SYSCALL, task, nullptr, own ? 0L : static_cast<long>(signal));
  }
  std::fprintf(stderr, "pss %ld KiB, rss %ld KiB, %zu processes\n", peak.pss, peak.rss, most);
  return exit_status;
}
