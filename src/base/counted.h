// A number with what it counts, for sentences: "1 URL", "2 URLs". Used wherever the number may be one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sallyport {

/// `thing`: in the singular, of a word whose plural has an "s".
inline std::string counted(std::uint64_t count, std::string_view thing) {
  return std::to_string(count).append(" ").append(thing).append(count == 1 ? "" : "s");
}

}  // namespace sallyport
