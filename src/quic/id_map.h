// IdMap: finds a server's connection by the connection ID of a datagram. A flat hash table, because it is
// queried for each run of datagrams; with a keyed hash, because peers choose some of the IDs.
#pragma once

#include "base/bytes.h"
#include "base/random.h"
#include "quic/connection_id.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace sallyport::quic {

template <class Value>
class IdMap {
 public:
  explicit IdMap(Random& random) : secret_(random.next_u64() | 1) {}

  /// IDs of our own length are their own key; the key of longer ones, which only clients choose, is a keyed
  /// hash.
  std::uint64_t key_of(Bytes id) const {
    std::uint64_t key = 0;
    if (id.size() == ConnectionIdLayout::length) {
      std::memcpy(&key, id.data(), sizeof key);
    } else {
      key = secret_ ^ id.size();
      for (const std::uint8_t byte : id) key = mix(key ^ byte);
    }
    return key == empty_key ? ~empty_key : key;
  }

  Value* find(std::uint64_t key) const {
    if (slots_.empty()) return nullptr;
    for (std::size_t at = home(key);; at = next(at)) {
      if (slots_[at].key == key) return slots_[at].value;
      if (slots_[at].key == empty_key) return nullptr;
    }
  }

  /// Replaces an existing entry.
  void set(std::uint64_t key, Value* value) {
    if ((count_ + 1) * 3 > slots_.size() * 2) grow();
    std::size_t at = home(key);
    for (; slots_[at].key != empty_key; at = next(at)) {
      if (slots_[at].key != key) continue;
      slots_[at].value = value;
      return;
    }
    slots_[at] = {key, value};
    ++count_;
  }

  void erase(std::uint64_t key) {
    if (slots_.empty()) return;
    std::size_t hole = home(key);
    for (; slots_[hole].key != key; hole = next(hole))
      if (slots_[hole].key == empty_key) return;
    // Entries behind it move up as far as their home slot allows, so no search ends early at the hole.
    for (std::size_t at = next(hole); slots_[at].key != empty_key; at = next(at)) {
      const std::size_t distance_home = (at - home(slots_[at].key)) & (slots_.size() - 1);
      const std::size_t distance_hole = (at - hole) & (slots_.size() - 1);
      if (distance_home < distance_hole) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = {};
    --count_;
  }

  std::size_t size() const { return count_; }

 private:
  static constexpr std::uint64_t empty_key = 0;
  struct Slot {
    std::uint64_t key = empty_key;
    Value* value = nullptr;
  };

  std::uint64_t mix(std::uint64_t value) const {
    value = (value ^ secret_) * 0x9e3779b97f4a7c15u;
    value = (value ^ value >> 32) * 0xd6e8feb86659fd93u;
    return value ^ value >> 29;
  }
  std::size_t home(std::uint64_t key) const {
    return static_cast<std::size_t>(mix(key)) & (slots_.size() - 1);
  }
  std::size_t next(std::size_t at) const { return (at + 1) & (slots_.size() - 1); }

  void grow() {
    std::vector<Slot> old(slots_.empty() ? 64 : slots_.size() * 2);
    old.swap(slots_);
    count_ = 0;
    for (const Slot& slot : old)
      if (slot.key != empty_key) set(slot.key, slot.value);
  }

  std::uint64_t secret_;
  std::vector<Slot> slots_;  // a power of two of them, at most two thirds taken
  std::size_t count_ = 0;
};

}  // namespace sallyport::quic
