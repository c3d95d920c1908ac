// SPDX-License-Identifier: MIT
#include "port/linux/storage_worker.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "port/linux/system.hpp"

namespace tocsin {
namespace {

constexpr std::size_t kStackBytes = 64 * 1024;  // a sanitizer's frames included

class Locked {
 public:
  explicit Locked(pthread_mutex_t& mutex) : mutex_(mutex) { pthread_mutex_lock(&mutex_); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
  ~Locked() { pthread_mutex_unlock(&mutex_); }

 private:
  pthread_mutex_t& mutex_;
};

}  // namespace

Status StorageWorker::start() {
  TOCSIN_ASSERT(handle_ < 0);
  // A semaphore: its count is the number of outcomes not told yet, so no wake-up is lost and none is
  // left over, however many stores share it.
  Fd handle{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)};
  if (!handle.is_open()) return last_error();

  pthread_attr_t attributes;
  if (const int error = pthread_attr_init(&attributes); error != 0) return {Code::io, error};
  int error = pthread_attr_setstacksize(&attributes, kStackBytes);
  if (error == 0) error = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // inherited by the thread
  pthread_t thread;
  if (error == 0) error = pthread_create(&thread, &attributes, run, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error != 0) return {Code::io, error};

  const Locked locked{mutex_};
  handle_ = handle.release();
  return {};
}

Status StorageWorker::wait(Millis most) {
  pollfd wanted{handle_, POLLIN, 0};
  const int n = ::poll(&wanted, 1, static_cast<int>(most.count));
  if (n < 0 && errno != EINTR) return last_error();
  return n > 0 ? Status{} : Status{Code::timeout};
}

void* StorageWorker::run(void* self) { static_cast<StorageWorker*>(self)->serve(); }

void StorageWorker::serve() {
  for (;;) {
    StorageJob* job = nullptr;
    {
      const Locked locked{mutex_};
      while (first_ == nullptr) pthread_cond_wait(&work_, &mutex_);
      job = first_;
      first_ = job->next_;
      if (first_ == nullptr) last_ = nullptr;
    }
    const Status outcome = job->carry_out_(*job);
    const Locked locked{mutex_};
    job->outcome_ = outcome;
    job->job_ = StorageJob::Job::done;
    const std::uint64_t one = 1;
    // Cannot fail: the count is at most the number of jobs.
    TOCSIN_ASSERT(::write(handle_, &one, sizeof one) == sizeof one);
  }
}

void StorageWorker::add(StorageJob& job) {
  TOCSIN_ASSERT(handle_ >= 0);
  const Locked locked{mutex_};
  job.job_ = StorageJob::Job::waiting;
  job.next_ = nullptr;
  (last_ == nullptr ? first_ : last_->next_) = &job;
  last_ = &job;
  pthread_cond_signal(&work_);
}

Status StorageWorker::outcome_of(StorageJob& job) {
  const Locked locked{mutex_};
  if (job.job_ == StorageJob::Job::none) return Code::empty;
  if (job.job_ == StorageJob::Job::waiting) return Code::again;
  job.job_ = StorageJob::Job::none;
  std::uint64_t one = 0;
  TOCSIN_ASSERT(::read(handle_, &one, sizeof one) == sizeof one);
  return job.outcome_;
}

void StorageJob::begin() {
  TOCSIN_ASSERT(outcome().code() == Code::empty);
  worker_.add(*this);
}

Status StorageJob::outcome() { return worker_.outcome_of(*this); }

}  // namespace tocsin
