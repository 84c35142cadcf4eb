// FlowTable: the flows of a DatagramQueue, found by the stream that their datagrams belong to. A flow is
// there only while it has something waiting or is to be told of room, so a connection with thousands of idle
// tunnels has none.
#pragma once

#include "quic/application.h"
#include "quic/codel.h"
#include "quic/datagram_queueing.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sallyport::quic {

/// A queued datagram; its payload follows it in memory.
struct DatagramRecord {
  DatagramRecord* next;  // of its flow
  Time queued;
  std::uint16_t size;
  std::uint16_t block;
};

class FlowTable {
 public:
  using Index = std::uint32_t;
  static constexpr Index none = UINT32_MAX;

  struct Flow {
    StreamId id = 0;
    DatagramRecord* first = nullptr;  // the oldest
    DatagramRecord* last = nullptr;
    std::size_t bytes = 0;
    std::int64_t deficit = 0;
    CoDel codel;
    Index next = none;            // in its list of flows that are served
    Index next_refused = none;    // in the list of flows that are to be told of room
    Index next_in_bucket = none;  // or among the free ones
    WhenFull when_full = WhenFull::refuse;
    bool listed = false, refused = false;
    bool empty() const { return first == nullptr; }
  };

  Flow& operator[](Index index) { return flows_[index]; }
  const Flow& operator[](Index index) const { return flows_[index]; }
  /// Index of the flow of stream `id`, made where there is none. References to others end.
  Index find_or_add(StreamId id);
  void remove(Index index);
  std::size_t size() const { return count_; }
  /// Gives all memory back. Only when there are no flows.
  void release();
  void clear();

 private:
  /// Streams are numbered in order, four apart, so no hash is better than this.
  std::size_t bucket_of(StreamId id) const {
    return static_cast<std::size_t>(static_cast<std::uint64_t>(id) / 4) & (buckets_.size() - 1);
  }
  void grow();

  std::vector<Flow> flows_;
  std::vector<Index> buckets_;  // a power of two, or none
  Index free_ = none;
  std::size_t count_ = 0;
};

}  // namespace sallyport::quic
