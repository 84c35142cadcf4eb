// LookupQueue: schedules a resolver's lookups fairly: one asker whose names are never answered cannot take
// all threads. The asker with the fewest threads is next, in turn. An asker that has threads gets another
// only while twice as many are free. No locking of its own; LookupThreads holds its lock around each call.
#pragma once

#include "net/address.h"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <utility>

namespace sallyport::net {

struct LookupLimits {
  std::size_t running = 32;        ///< threads
  std::size_t running_least = 2;   ///< always allowed to one asker while threads are free
  std::size_t waiting = 4096;      ///< lookups
  std::size_t waiting_each = 128;  ///< lookups of one asker
};

template <class Question>
class LookupQueue {
 public:
  struct Taken {
    IpAddress asker;
    Question question;
  };

  explicit LookupQueue(const LookupLimits& limits = {}) : limits_(limits) {}

  /// False when the queue is full, for this asker or in all.
  bool add(const IpAddress& asker, Question question) {
    if (waiting_ >= limits_.waiting) return false;
    Asker& entry = askers_[asker];
    entry.address = asker;
    if (entry.waiting.size() >= limits_.waiting_each) return false;
    if (entry.waiting.empty()) turns_.push_back(&entry);
    entry.waiting.push_back(std::move(question));
    ++waiting_;
    return true;
  }

  /// The next lookup to start now; call done() after it.
  std::optional<Taken> take() {
    const auto next = std::ranges::min_element(turns_, {}, &Asker::running);
    if (next == turns_.end() || !may_run(**next)) return std::nullopt;
    Asker& entry = **next;
    turns_.erase(next);
    Taken taken{entry.address, std::move(entry.waiting.front())};
    entry.waiting.pop_front();
    --waiting_;
    if (!entry.waiting.empty()) turns_.push_back(&entry);
    ++entry.running;
    ++running_;
    return taken;
  }

  void done(const IpAddress& asker) {
    Asker& entry = askers_.at(asker);
    --entry.running;
    --running_;
    if (entry.is_idle()) askers_.erase(asker);
  }

  /// Drops cancelled lookups from the queue.
  template <class Predicate>
  void drop_if(Predicate&& predicate) {
    for (auto& [address, asker] : askers_)
      waiting_ -= static_cast<std::size_t>(std::erase_if(asker.waiting, predicate));
    std::erase_if(turns_, [](const Asker* asker) { return asker->waiting.empty(); });
    std::erase_if(askers_, [](const auto& entry) { return entry.second.is_idle(); });
  }

  std::size_t waiting() const { return waiting_; }
  std::size_t running() const { return running_; }
  std::size_t askers() const { return askers_.size(); }

 private:
  struct Asker {
    IpAddress address;
    std::deque<Question> waiting;
    std::size_t running = 0;
    bool is_idle() const { return waiting.empty() && running == 0; }
  };

  bool may_run(const Asker& asker) const {
    if (running_ >= limits_.running) return false;
    return asker.running < limits_.running_least || 2 * asker.running < limits_.running - running_;
  }

  LookupLimits limits_;
  std::map<IpAddress, Asker> askers_;
  std::deque<Asker*> turns_;  // askers with waiting lookups, each once
  std::size_t waiting_ = 0;
  std::size_t running_ = 0;
};

}  // namespace sallyport::net
