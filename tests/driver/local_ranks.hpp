// Ranks that are threads of this process: what they share goes through queues.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <stoat/driver/ranks.hpp>

namespace local_ranks {

/// Messages from one rank to another.
class Queue {
 public:
  void put(stoat::Ranks::Bytes bytes) {
    const std::scoped_lock lock(mutex_);
    messages_.push_back(std::move(bytes));
    filled_.notify_one();
  }
  stoat::Ranks::Bytes take() {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [&] { return !messages_.empty(); });
    stoat::Ranks::Bytes bytes = std::move(messages_.front());
    messages_.pop_front();
    return bytes;
  }

 private:
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<stoat::Ranks::Bytes> messages_;
};

class LocalRank final : public stoat::Ranks {
 public:
  LocalRank(int rank, int size, std::vector<Queue>& queues) : rank_(rank), size_(size), queues_(queues) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void send(int to, std::span<const std::uint8_t> bytes) override { queue(rank_, to).put({bytes.begin(), bytes.end()}); }
  Bytes receive(int from) override { return queue(from, rank_).take(); }
  void broadcast(Bytes& bytes) override {
    if (rank_ > 0) bytes = receive(0);
    else
      for (int to = 1; to < size_; ++to) send(to, bytes);
  }

 private:
  Queue& queue(int from, int to) { return queues_[static_cast<std::size_t>(from * size_ + to)]; }
  int rank_, size_;
  std::vector<Queue>& queues_;
};

/// Calls body(ranks) on every rank, all at once; throws what the first rank that failed threw, when all have ended.
inline void run(int size, const std::function<void(std::shared_ptr<stoat::Ranks>)>& body) {
  std::vector<Queue> queues(static_cast<std::size_t>(size * size));
  std::vector<std::exception_ptr> failures(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      try {
        body(std::make_shared<LocalRank>(rank, size, queues));
      } catch (...) { failures[static_cast<std::size_t>(rank)] = std::current_exception(); }
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

}  // namespace local_ranks
