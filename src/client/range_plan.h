// RangePlan: which range of a resource each request of a Fetch asks for (RFC 9110 §14), in which order, and
// what is asked for again. Fetch owns it, and alone knows the requests that run and what came of them.
#pragma once

#include "client/output.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace sallyport::client {

class RangePlan {
 public:
  /// One request to be made.
  struct Wanted {
    ByteRange range;        ///< without an end: all of it, in a request without a Range field
    unsigned tries = 0;     ///< that got no answer
    unsigned refusals = 0;  ///< for the moment: 503 and its kind

    bool by_range() const { return range.end != 0; }
    /// A request that was not answered, because its connection was closed meanwhile or its 0-RTT never
    /// arrived, may be made once more.
    bool may_be_tried_again() const { return tries + 1 < most_tries; }
    /// One that was refused for the moment may be made again some times more.
    bool may_wait() const { return by_range() && refusals < most_refusals; }
    friend bool operator==(const Wanted&, const Wanted&) = default;
  };

  /// `at_once`: requests, at least 1. `smallest_part`: bytes; less is not worth a request of its own.
  RangePlan(std::size_t at_once, std::uint64_t smallest_part)
      : at_once_(at_once), smallest_part_(smallest_part) {}

  /// How many requests may run at a time.
  std::size_t at_once() const { return at_once_; }
  /// Nothing is left to be asked for.
  bool empty() const { return waiting_.empty(); }
  /// Takes the next one out; not when empty().
  Wanted take();
  /// What waits is not asked for.
  void clear() { waiting_.clear(); }
  /// From now on ask_first() asks for the whole in one request. What waits goes.
  void give_up_ranges();

  /// The first request of a resource of which nothing is known: for its first part where it is to be
  /// `splittable`, else for all of it.
  void ask_first(bool splittable);
  /// What of [0, size) is not `claimed`, split evenly among the requests that may run at once, instead of
  /// what waited. `claimed` is what is there or on its way, sorted and disjoint.
  void ask_missing(const std::vector<ByteRange>& claimed, std::uint64_t size);
  /// What an answer left out that ends at `answered_end`, behind all else.
  void ask_rest(const Wanted& asked, std::uint64_t answered_end);
  /// Before all else: it got no answer.
  void ask_again(Wanted asked);
  /// Before all else: it was refused for the moment. Fewer run at once from now on, as that may be why.
  void ask_later(Wanted asked);

 private:
  static constexpr unsigned most_tries = 2, most_refusals = 3;

  std::size_t at_once_;
  std::uint64_t smallest_part_;
  bool whole_only_ = false;
  std::deque<Wanted> waiting_;
};

}  // namespace sallyport::client
