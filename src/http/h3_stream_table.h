// H3StreamTable: from a request stream's ID to its exchange, without an allocation a stream. An entry without
// an exchange is a stream whose exchange ended before QUIC was done with it.
#pragma once

#include "quic/application.h"

#include <cassert>
#include <cstdint>
#include <vector>

namespace sallyport::http {

class H3Exchange;

class H3StreamTable {
 public:
  struct Entry {
    quic::StreamId id = -1;  // -1: free
    H3Exchange* exchange = nullptr;
  };

  /// Null when there is no entry. Valid until the next insert or erase.
  Entry* find(quic::StreamId id) {
    if (size_ == 0) return nullptr;
    for (std::size_t i = home(id);; i = next(i)) {
      if (entries_[i].id == id) return &entries_[i];
      if (entries_[i].id < 0) return nullptr;
    }
  }
  /// `id` must not be there.
  void insert(quic::StreamId id, H3Exchange* exchange) {
    if (entries_.empty() || size_ * 2 >= entries_.size()) grow();
    put({id, exchange});
    ++size_;
  }
  void erase(quic::StreamId id) {
    if (size_ == 0) return;
    std::size_t hole = home(id);
    for (; entries_[hole].id != id; hole = next(hole))
      if (entries_[hole].id < 0) return;
    --size_;
    // Entries behind that would no longer be found move up.
    for (std::size_t i = next(hole); entries_[i].id >= 0; i = next(i)) {
      const std::size_t wanted = home(entries_[i].id);
      const std::size_t mask = entries_.size() - 1;
      if (((i - wanted) & mask) >= ((i - hole) & mask)) {
        entries_[hole] = entries_[i];
        hole = i;
      }
    }
    entries_[hole] = {};
    if (size_ == 0) std::vector<Entry>().swap(entries_);
  }
  std::size_t size() const { return size_; }
  void clear() {
    entries_.clear();
    size_ = 0;
  }

 private:
  // Consecutive requests have consecutive numbers, so the low bits spread them best.
  std::size_t home(quic::StreamId id) const {
    return static_cast<std::size_t>(id >> 2) & (entries_.size() - 1);
  }
  std::size_t next(std::size_t i) const { return (i + 1) & (entries_.size() - 1); }
  void put(const Entry& entry) {
    std::size_t i = home(entry.id);
    while (entries_[i].id >= 0) {
      assert(entries_[i].id != entry.id);
      i = next(i);
    }
    entries_[i] = entry;
  }
  void grow() {
    std::vector<Entry> old(entries_.empty() ? 8 : entries_.size() * 2);
    old.swap(entries_);
    for (const Entry& entry : old)
      if (entry.id >= 0) put(entry);
  }

  std::vector<Entry> entries_;
  std::size_t size_ = 0;
};

}  // namespace sallyport::http
