// SPDX-License-Identifier: MIT
#include "port/linux/storage_worker.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "port/linux/system.hpp"

namespace tocsin {
namespace {

constexpr std::size_t kStackBytes = 64 * 1024;  // a sanitizer's frames included

}  // namespace

Status StorageWorker::start() {
  TOCSIN_ASSERT(handle_ < 0);
  // A semaphore: its count is the number of outcomes not told yet, so no wake-up is lost and none is
  // left over, however many stores share it.
  Fd handle{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)};
  if (!handle.is_open()) return last_error();
  if (::sem_init(&work_, 0, 0) != 0) return last_error();

  pthread_attr_t attributes;
  if (const int error = pthread_attr_init(&attributes); error != 0) return {Code::io, error};
  int error = pthread_attr_setstacksize(&attributes, kStackBytes);
  if (error == 0) error = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  if (error == 0) error = pthread_create(&thread, &attributes, run, this);
  pthread_attr_destroy(&attributes);
  if (error != 0) return {Code::io, error};

  handle_ = handle.release();  // before the first job, which the thread waits for
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
    while (::sem_wait(&work_) != 0) {  // a debugger interrupted it
    }
    StorageJob& job = *begun_[taken_++ % kMostJobs];
    job.outcome_ = job.carry_out_(job);
    job.job_.store(StorageJob::Job::done, std::memory_order_release);
    const std::uint64_t one = 1;
    // Cannot fail: the count is at most the number of jobs.
    TOCSIN_ASSERT(::write(handle_, &one, sizeof one) == sizeof one);
  }
}

void StorageWorker::add(StorageJob& job) {
  TOCSIN_ASSERT(handle_ >= 0 && put_ - told_ < kMostJobs);
  job.job_.store(StorageJob::Job::waiting, std::memory_order_relaxed);
  begun_[put_++ % kMostJobs] = &job;
  TOCSIN_ASSERT(::sem_post(&work_) == 0);
}

Status StorageWorker::outcome_of(StorageJob& job) {
  const StorageJob::Job now = job.job_.load(std::memory_order_acquire);
  if (now == StorageJob::Job::none) return Code::empty;
  if (now == StorageJob::Job::waiting) return Code::again;
  job.job_.store(StorageJob::Job::none, std::memory_order_relaxed);
  ++told_;
  std::uint64_t one = 0;
  while (::read(handle_, &one, sizeof one) != sizeof one) {
    // The worker has said that it is done, and is about to make the handle readable: no medium is in between.
    TOCSIN_ASSERT(errno == EAGAIN || errno == EINTR);
    pollfd wanted{handle_, POLLIN, 0};
    static_cast<void>(::poll(&wanted, 1, -1));
  }
  return job.outcome_;
}

void StorageJob::begin() {
  TOCSIN_ASSERT(outcome().code() == Code::empty);
  worker_.add(*this);
}

Status StorageJob::outcome() { return worker_.outcome_of(*this); }

}  // namespace tocsin
