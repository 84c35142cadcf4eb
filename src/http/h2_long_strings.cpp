#include "http/h2_long_strings.h"

#include <algorithm>
#include <utility>

namespace sallyport::http {
namespace {

// RFC 9113 §6.
constexpr std::uint8_t headers_frame = 1, continuation_frame = 9;
constexpr std::uint8_t flag_end_headers = 0x4, flag_padded = 0x8, flag_priority = 0x20;
constexpr std::size_t frame_head_size = 9, priority_size = 5;

// Before each piece of a value but the first: a field without indexing (RFC 7541 §6.2.2), named "x", and the
// length of its value in as many octets as the length of what is cut has.
constexpr std::size_t length_octets = 4;
constexpr std::size_t joint_size = 3 + length_octets;
constexpr std::uint8_t full_prefix = 0x7f;

/// Octet `i` of `length` as an integer with a prefix of seven bits.
std::uint8_t length_octet(std::size_t length, std::size_t i) {
  if (i == 0) return full_prefix;
  const std::size_t group = (length - full_prefix) >> (7 * (i - 1)) & 0x7f;
  return static_cast<std::uint8_t>(i + 1 < length_octets ? group | 0x80 : group);
}

}  // namespace

Bytes H2LongStrings::feed(Bytes bytes) {
  std::size_t at = 0;
  copy_ = {};
  in_ = bytes;
  if (!held_.empty()) {
    at = held_.size();
    held_.insert(held_.end(), bytes.begin(), bytes.end());
    copy_ = std::exchange(held_, {});
    in_ = copy_;
  }
  while (at < in_.size()) {
    if (skip_ > 0) {
      const std::size_t skipped = std::min(skip_, in_.size() - at);
      skip_ -= skipped;
      at += skipped;
    } else if (fragment_left_ > 0) {
      const std::size_t size = std::min(fragment_left_, in_.size() - at);
      read_fragment(at, at + size);
      fragment_left_ -= size;
      at += size;
      if (fragment_left_ == 0) end_fragment();
    } else {
      head_[head_size_++] = in_[at++];
      if (head_size_ == head_needed_) take_head();
    }
  }
  if (step_ != Step::value_length_rest) return in_;
  held_.assign(in_.begin() + static_cast<std::ptrdiff_t>(length_octets_[0]), in_.end());
  const Bytes ready = in_.first(length_octets_[0]);
  for (std::size_t i = std::min(length_size_, length_octets); i-- > 0;)
    length_octets_[i] -= length_octets_[0];
  return ready;
}

void H2LongStrings::take_head() {
  const std::size_t length = std::size_t{head_[0]} << 16 | std::size_t{head_[1]} << 8 | head_[2];
  const std::uint8_t type = head_[3], flags = head_[4];
  const bool of_section = type == headers_frame || (type == continuation_frame && in_section_);
  std::size_t lead = 0, padding = 0;
  if (type == headers_frame && (flags & flag_padded) != 0 && length > 0) {
    if (head_needed_ == frame_head_size) {
      ++head_needed_;
      return;
    }
    lead = 1;
    padding = head_[frame_head_size];
  }
  head_size_ = 0;
  head_needed_ = frame_head_size;
  // A frame that breaks into a section, or a section into another, ends the connection; nothing is held for
  // it.
  if (type == headers_frame || !of_section) end_section();
  if (of_section) in_section_ = (flags & flag_end_headers) == 0;
  const std::size_t priority = type == headers_frame && (flags & flag_priority) != 0 ? priority_size : 0;
  // What does not add up ends the connection.
  if (!of_section || lead + priority + padding > length) {
    skip_ = length - lead;
    return;
  }
  skip_ = priority;
  fragment_left_ = length - lead - priority - padding;
  behind_fragment_ = padding;
  if (fragment_left_ == 0) end_fragment();
}

void H2LongStrings::end_fragment() {
  skip_ += std::exchange(behind_fragment_, 0);
  if (!in_section_) end_section();
}

/// Of one that is cut short, too.
void H2LongStrings::end_section() {
  in_section_ = false;
  step_ = Step::opcode;
  string_size_ = 0;
}

void H2LongStrings::read_fragment(std::size_t at, std::size_t end) {
  while (at < end) {
    if (step_ == Step::name || step_ == Step::value) {
      at = skip_string(at, end);
      continue;
    }
    const std::uint8_t octet = in_[at];
    switch (step_) {
      case Step::opcode:
        take_opcode(octet);
        break;
      case Step::index:
        if ((octet & 0x80) == 0) step_ = after_index_;
        break;
      case Step::name_length:
        take_length(octet, at, false);
        break;
      case Step::name_length_rest:
        take_length_rest(octet, at, false);
        break;
      case Step::value_length:
        take_length(octet, at, true);
        break;
      case Step::value_length_rest:
        take_length_rest(octet, at, true);
        break;
      case Step::name:
      case Step::value:
        break;
    }
    ++at;
  }
}

std::size_t H2LongStrings::skip_string(std::size_t at, std::size_t end) {
  const std::size_t size = std::min(string_left_, end - at);
  if (string_size_ > 0) {
    std::uint8_t* const out = changed();
    const std::size_t offset = string_size_ - string_left_;
    for (std::size_t i = 0; i < size; ++i) out[at + i] = cut_octet(offset + i, out[at + i]);
  }
  string_left_ -= size;
  if (string_left_ == 0) {
    step_ = step_ == Step::name ? Step::value_length : Step::opcode;
    string_size_ = 0;
  }
  return at + size;
}

void H2LongStrings::take_opcode(std::uint8_t octet) {
  std::uint8_t mask = 0x0f;  // a literal that is not indexed
  Step after = Step::value_length;
  if ((octet & 0x80) != 0) {
    mask = 0x7f;
    after = Step::opcode;
  } else if ((octet & 0x40) != 0) {
    mask = 0x3f;
  } else if ((octet & 0x20) != 0) {
    mask = 0x1f;  // the table's size
    after = Step::opcode;
  }
  const bool literal = after == Step::value_length;
  if (literal && (octet & mask) == 0) {
    step_ = Step::name_length;
  } else if ((octet & mask) == mask) {
    step_ = Step::index;
    after_index_ = after;
  } else {
    step_ = after;
  }
}

void H2LongStrings::take_length(std::uint8_t octet, std::size_t at, bool of_value) {
  huffman_ = (octet & 0x80) != 0;
  length_ = octet & full_prefix;
  length_octets_[0] = at;
  length_size_ = 1;
  if (length_ < full_prefix) return begin_string(of_value);
  step_ = of_value ? Step::value_length_rest : Step::name_length_rest;
}

void H2LongStrings::take_length_rest(std::uint8_t octet, std::size_t at, bool of_value) {
  if (length_size_ < length_octets) length_octets_[length_size_] = at;
  ++length_size_;
  // nghttp2 refuses longer ones.
  constexpr std::size_t most_octets = 8;
  if (length_size_ > most_octets) return end_section();
  length_ += std::uint64_t{octet & 0x7fu} << (7 * (length_size_ - 2));
  if ((octet & 0x80) == 0) begin_string(of_value);
}

void H2LongStrings::begin_string(bool of_value) {
  string_left_ = length_;
  if (string_left_ == 0)
    step_ = of_value ? Step::opcode : Step::value_length;
  else
    step_ = of_value ? Step::value : Step::name;
  if (of_value && length_ > longest_taken && length_ < longest_cut && length_size_ == length_octets) cut();
}

void H2LongStrings::cut() {
  string_size_ = string_left_;
  pieces_ = string_size_ / longest_taken + 1;
  piece_ = (string_size_ - (pieces_ - 1) * joint_size) / pieces_;
  last_piece_ = string_size_ - (pieces_ - 1) * (piece_ + joint_size);
  std::uint8_t* const out = changed();
  // Not by Huffman's code any more: a piece of it would not be well formed.
  for (std::size_t i = 0; i < length_octets; ++i) out[length_octets_[i]] = length_octet(piece_, i);
}

/// The octet at `offset` of a value that is cut.
std::uint8_t H2LongStrings::cut_octet(std::size_t offset, std::uint8_t original) const {
  // What nghttp2 takes as a value, also of :path.
  const auto filler = huffman_ ? std::uint8_t{'/'} : original;
  if (offset < piece_) return filler;
  const std::size_t stride = joint_size + piece_;
  const std::size_t joint = std::min((offset - piece_) / stride, pieces_ - 2);
  const std::size_t behind = offset - piece_ - joint * stride;
  if (behind >= joint_size) return filler;
  constexpr std::array<std::uint8_t, 3> field = {0x00, 0x01, 'x'};
  if (behind < field.size()) return field[behind];
  return length_octet(joint + 2 == pieces_ ? last_piece_ : piece_, behind - field.size());
}

std::uint8_t* H2LongStrings::changed() {
  if (copy_.empty()) {
    copy_.assign(in_.begin(), in_.end());
    in_ = copy_;
  }
  return copy_.data();
}

}  // namespace sallyport::http
