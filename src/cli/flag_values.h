// What flags of several commands hold, as the layers below take it.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "net/address.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::cli {

/// A number of seconds.
Duration seconds(double value);

/// What `flag` was given, as prefixes, behind those that `to` has. Error kind usage names the flag and the
/// text.
Result<> read_prefixes(std::string_view flag, const std::vector<std::string>& texts,
                       std::vector<net::IpPrefix>& to);

/// What a flag takes that chooses one of `all`: their names, as to_string() has them.
template <class Value, std::size_t count>
std::vector<std::string> names_of(const std::array<Value, count>& all) {
  std::vector<std::string> names;
  names.reserve(count);
  for (const Value value : all) names.emplace_back(to_string(value));
  return names;
}

/// The one with that name, which has to be one of names_of(all).
template <class Value, std::size_t count>
Value named(std::string_view name, const std::array<Value, count>& all) {
  const auto found = std::ranges::find_if(all, [name](Value value) { return to_string(value) == name; });
  assert(found != all.end());
  return *found;
}

}  // namespace sallyport::cli
