#include "gateway/access_record.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace sallyport::gateway {
namespace {

using Sizes = std::array<std::uint16_t, AccessRecord::texts>;

static_assert(std::is_trivially_copyable_v<AccessRecord::Fixed>);

std::string_view cut(std::string_view text) {
  return text.substr(0, AccessRecord::longest_text);
}

}  // namespace

std::size_t AccessRecord::encoded_size() const {
  std::size_t size = sizeof(Fixed) + sizeof(Sizes);
  for (const std::string_view each : text) size += cut(each).size();
  return size;
}

void AccessRecord::encode(std::uint8_t* out) const {
  Sizes sizes;
  std::memcpy(out, &fixed, sizeof fixed);
  std::uint8_t* at = out + sizeof fixed + sizeof sizes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view each = cut(text[i]);
    sizes[i] = static_cast<std::uint16_t>(each.size());
    at = copy_bytes(as_bytes(each), at);
  }
  std::memcpy(out + sizeof fixed, &sizes, sizeof sizes);
}

AccessRecord AccessRecord::decode(Bytes encoded) {
  AccessRecord record;
  Sizes sizes;
  std::memcpy(&record.fixed, encoded.data(), sizeof record.fixed);
  std::memcpy(&sizes, encoded.data() + sizeof record.fixed, sizeof sizes);
  std::string_view rest = as_text(encoded.subspan(sizeof record.fixed + sizeof sizes));
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    record.text[i] = rest.substr(0, sizes[i]);
    rest.remove_prefix(sizes[i]);
  }
  return record;
}

}  // namespace sallyport::gateway
