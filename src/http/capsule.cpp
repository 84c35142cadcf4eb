#include "http/capsule.h"

#include "base/varint.h"

#include <algorithm>
#include <cassert>

namespace sallyport::http {

Result<> CapsuleReader::feed(Bytes bytes, const Wanted& wanted, const Found& found) {
  while (true) {
    if (left_ == 0) {
      // A head. It rarely comes in pieces; then they are put together in partial_.
      if (bytes.empty()) return {};
      Bytes head = bytes;
      const std::size_t had = partial_.size();
      if (had > 0) {
        const std::size_t more = std::min(bytes.size(), max_head - had);
        partial_.insert(partial_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(more));
        head = partial_;
      }
      const std::size_t given = head.size();
      const auto type = take_varint(head);
      const auto size = type ? take_varint(head) : std::nullopt;
      if (!size) {
        if (had == 0) partial_.assign(bytes.begin(), bytes.end());
        return {};
      }
      bytes = bytes.subspan(given - head.size() - had);
      partial_.clear();
      type_ = *type;
      left_ = *size;
      wanted_ = wanted(type_, left_);
      if (wanted_ && left_ > max_value_)
        return fail(ErrorKind::too_large,
                    "a capsule is longer than " + std::to_string(max_value_) + " bytes");
      if (left_ == 0) {
        if (!wanted_) continue;
        if (auto result = found(type_, {}); !result) return result;
        continue;
      }
    }
    if (!wanted_) {
      const std::size_t skipped = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
      left_ -= skipped;
      bytes = bytes.subspan(skipped);
    } else if (partial_.empty() && bytes.size() >= left_) {
      const Bytes value = bytes.first(static_cast<std::size_t>(left_));
      bytes = bytes.subspan(value.size());
      left_ = 0;
      if (auto result = found(type_, value); !result) return result;
    } else {
      const std::size_t more = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
      partial_.insert(partial_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(more));
      bytes = bytes.subspan(more);
      left_ -= more;
      if (left_ == 0) {
        // `found` may feed nothing back in here, but may well throw the reader's owner's state about: work on
        // what is ours.
        std::vector<std::uint8_t> value;
        value.swap(partial_);
        auto result = found(type_, value);
        value.clear();
        partial_.swap(value);
        if (!result) return result;
      }
    }
    if (left_ > 0) return {};
  }
}

std::size_t put_capsule_head(MutableBytes out, std::uint64_t type, std::size_t size) {
  assert(out.size() >= 16);
  const std::size_t first = put_varint(out, type);
  return first + put_varint(out.subspan(first), size);
}

}  // namespace sallyport::http
