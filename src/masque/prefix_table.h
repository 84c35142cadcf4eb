// PrefixTable: values by IP prefix, found by the longest one that contains an address: how a packet's
// destination leads to its tunnel (RFC 9484 §7.2). A path-compressed binary trie for each IP version; find()
// allocates nothing and follows at most one node a bit, in practice as many as the number of prefixes has
// bits. An IPv4-mapped address is one of IPv6 here, as packets have it. Of one thread, or unchanged while
// several read it. A template, and so in a header, as workers and clients keep different things by prefix.
#pragma once

#include "base/bytes.h"
#include "net/address.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace sallyport::masque {

/// The bits of an address, the first one highest; those behind a prefix's length are 0.
struct PrefixBits {
  std::uint64_t high = 0, low = 0;

  /// `octets`: 4 or 16, in network byte order.
  static PrefixBits of(Bytes octets) {
    assert(octets.size() == 4 || octets.size() == 16);
    PrefixBits bits;
    for (std::size_t i = 0; i < octets.size(); ++i) {
      std::uint64_t& half = i < 8 ? bits.high : bits.low;
      half |= std::uint64_t{octets[i]} << (56 - i % 8 * 8);
    }
    return bits;
  }
  /// `index` below 128.
  bool bit(unsigned index) const { return (((index < 64 ? high : low) >> (63 - index % 64)) & 1) != 0; }
  /// How many bits, from the first one, both have in common.
  unsigned common(const PrefixBits& other) const {
    if (high != other.high) return static_cast<unsigned>(std::countl_zero(high ^ other.high));
    return 64 + static_cast<unsigned>(std::countl_zero(low ^ other.low));
  }
  PrefixBits first(unsigned length) const {
    const auto mask = [](unsigned bits) { return bits == 0 ? 0 : ~std::uint64_t{0} << (64 - bits); };
    if (length <= 64) return {high & mask(length), 0};
    return {high, low & mask(length - 64)};
  }
  friend bool operator==(const PrefixBits&, const PrefixBits&) = default;
};

template <class Value>
class PrefixTable {
 public:
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  /// False: the prefix had a value, which is replaced.
  bool insert(const net::IpPrefix& prefix, Value value) {
    const PrefixBits bits = PrefixBits::of(prefix.address().octets());
    const unsigned length = prefix.length();
    std::unique_ptr<Node>* link = &root(prefix);
    while (*link != nullptr) {
      Node& node = **link;
      const unsigned common = std::min({bits.common(node.bits), length, node.length});
      if (common < node.length) {
        // What is there goes below a new node, which is the prefix itself or the place where the two part.
        auto above = std::make_unique<Node>(bits.first(common), common);
        above->child(node.bits) = std::move(*link);
        *link = std::move(above);
      } else if (length == node.length) {
        const bool is_new = !node.value;
        node.value = std::move(value);
        size_ += is_new ? 1 : 0;
        return is_new;
      } else {
        link = &node.child(bits);
      }
    }
    *link = std::make_unique<Node>(bits, length);
    (*link)->value = std::move(value);
    ++size_;
    return true;
  }

  /// False: the prefix had no value.
  bool erase(const net::IpPrefix& prefix) {
    const PrefixBits bits = PrefixBits::of(prefix.address().octets());
    std::unique_ptr<Node>* above = nullptr;
    std::unique_ptr<Node>* link = &root(prefix);
    while (*link != nullptr && (*link)->length < prefix.length()) {
      above = link;
      link = &(*link)->child(bits);
    }
    if (!is_at(link->get(), bits, prefix.length()) || !(*link)->value) return false;
    (*link)->value.reset();
    --size_;
    drop_if_needless(*link);
    if (above != nullptr) drop_if_needless(*above);  // a fork with one way left
    return true;
  }

  /// The value of the longest prefix that contains the address; null: none does. Valid until the table
  /// changes.
  const Value* find(const net::IpAddress& address) const { return find(address.octets()); }
  /// The same of 4 or 16 octets, as a packet's header has them.
  const Value* find(Bytes octets) const {
    const PrefixBits bits = PrefixBits::of(octets);
    const auto width = static_cast<unsigned>(octets.size() * 8);
    const Value* longest = nullptr;
    for (const Node* node = (octets.size() == 4 ? v4_ : v6_).get(); node != nullptr;) {
      if (bits.common(node->bits) < node->length) break;
      if (node->value) longest = &*node->value;
      if (node->length == width) break;
      node = node->child(bits).get();
    }
    return longest;
  }
  /// The value of exactly this prefix; null: it has none.
  const Value* find_exactly(const net::IpPrefix& prefix) const {
    const PrefixBits bits = PrefixBits::of(prefix.address().octets());
    const Node* node = (prefix.address().is_v4() ? v4_ : v6_).get();
    while (node != nullptr && node->length < prefix.length()) node = node->child(bits).get();
    return is_at(node, bits, prefix.length()) && node->value ? &*node->value : nullptr;
  }

  /// Nodes in memory, fewer than two a prefix: for tests.
  std::size_t nodes() const { return nodes_below(v4_.get()) + nodes_below(v6_.get()); }

 private:
  struct Node {
    Node(const PrefixBits& its_bits, unsigned its_length) : bits(its_bits), length(its_length) {}
    /// Where `towards`, which begins as this does and is longer, goes on.
    std::unique_ptr<Node>& child(const PrefixBits& towards) { return children[towards.bit(length) ? 1 : 0]; }
    const std::unique_ptr<Node>& child(const PrefixBits& towards) const {
      return children[towards.bit(length) ? 1 : 0];
    }

    const PrefixBits bits;
    const unsigned length;
    std::array<std::unique_ptr<Node>, 2> children;
    std::optional<Value> value;  // nothing: only a fork
  };

  std::unique_ptr<Node>& root(const net::IpPrefix& prefix) { return prefix.address().is_v4() ? v4_ : v6_; }

  static bool is_at(const Node* node, const PrefixBits& bits, unsigned length) {
    return node != nullptr && node->length == length && node->bits == bits;
  }

  static void drop_if_needless(std::unique_ptr<Node>& link) {
    if (link->value || (link->children[0] != nullptr && link->children[1] != nullptr)) return;
    auto only = std::move(link->children[link->children[0] != nullptr ? 0 : 1]);
    link = std::move(only);
  }

  static std::size_t nodes_below(const Node* node) {
    if (node == nullptr) return 0;
    return 1 + nodes_below(node->children[0].get()) + nodes_below(node->children[1].get());
  }

  std::unique_ptr<Node> v4_, v6_;
  std::size_t size_ = 0;
};

}  // namespace sallyport::masque
