// Ring: a bounded queue of byte records from exactly one producer thread to exactly one consumer thread,
// without locks or allocation. Carries recorded events from a connection's thread to the writer's thread.
// When it is full, a record is refused; the producer never waits.
#pragma once

#include "base/bytes.h"

#include <atomic>
#include <cstdint>
#include <memory>

namespace sallyport {

class Ring {
 public:
  /// `capacity` bytes are rounded up to a power of two, at least 4 KiB. Memory that is not used is not
  /// touched.
  explicit Ring(std::size_t capacity);

  // The producer's side
  /// Room for one record of at most `size` bytes, 8-aligned, or null when it does not fit now. Only the last
  /// reserve counts.
  std::uint8_t* reserve(std::size_t size);
  /// Commits the first `size` bytes of the reserved room.
  void commit(std::size_t size);
  /// Whether more than half is in use: time to wake the consumer.
  bool is_half_full();

  // The consumer's side
  /// The oldest record, valid until pop(); empty when there is none (a record is never empty).
  Bytes front();
  /// Only after front() gave a record.
  void pop();

 private:
  std::uint8_t* at(std::uint64_t position) { return bytes_.get() + (position & mask_); }

  const std::size_t capacity_;
  const std::uint64_t mask_;
  std::unique_ptr<std::uint8_t[]> bytes_;
  // Positions only grow. Each side caches the other's position, so the cache line seldom moves.
  alignas(64) std::atomic<std::uint64_t> head_ = 0;  // written by the producer
  std::uint64_t known_tail_ = 0;
  std::uint64_t reserved_ = 0;                       ///< where the reserved record starts
  alignas(64) std::atomic<std::uint64_t> tail_ = 0;  // written by the consumer
  std::uint64_t known_head_ = 0;
};

}  // namespace sallyport
