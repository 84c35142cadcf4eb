// number(): reads a whole number of a flag's text.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace sallyport::config {

/// Nothing but digits, from `least` to `most`.
template <class Number>
std::optional<Number> number(std::string_view text, Number least, Number most) {
  Number value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end || value < least || value > most) return std::nullopt;
  return value;
}

}  // namespace sallyport::config
