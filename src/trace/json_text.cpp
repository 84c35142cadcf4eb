#include "trace/json_text.h"

#include "base/escape.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace sallyport::trace {
namespace {

constexpr std::string_view digits = "0123456789abcdef";

}  // namespace

void JsonText::separate() {
  if (comma_) out_.push_back(',');
  comma_ = true;
}

void JsonText::open(char bracket) {
  separate();
  out_.push_back(bracket);
  comma_ = false;
}

void JsonText::close(char bracket) {
  out_.push_back(bracket);
  comma_ = true;
}

void JsonText::key(std::string_view name) {
  separate();
  out_.push_back('"');
  out_.append(name);
  out_.append("\":");
  comma_ = false;
}

void JsonText::text(std::string_view value) {
  separate();
  out_.push_back('"');
  append_json_escaped(out_, value);
  out_.push_back('"');
}

void JsonText::hex(Bytes value) {
  separate();
  out_.push_back('"');
  for (const std::uint8_t byte : value) {
    out_.push_back(digits[byte >> 4]);
    out_.push_back(digits[byte & 0xf]);
  }
  out_.push_back('"');
}

void JsonText::boolean(bool value) {
  separate();
  out_.append(value ? "true" : "false");
}

void JsonText::number(std::uint64_t value) {
  separate();
  std::array<char, 20> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  out_.append(buffer.data(), end);
}

void JsonText::number(std::int64_t value) {
  separate();
  std::array<char, 20> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  out_.append(buffer.data(), end);
}

void JsonText::real(double value) {
  separate();
  if (!std::isfinite(value)) {
    out_.append("null");
    return;
  }
  std::array<char, 340> buffer;  // the largest double has 309 digits before the point
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed, 3).ptr;
  out_.append(buffer.data(), end);
}

void JsonText::milliseconds(Duration value) {
  separate();
  auto count = value.count();
  if (count < 0) {
    out_.push_back('-');
    count = count == std::numeric_limits<Duration::rep>::min() ? std::numeric_limits<Duration::rep>::max()
                                                               : -count;
  }
  std::array<char, 20> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), count / 1'000'000).ptr;
  out_.append(buffer.data(), end);
  std::uint32_t fraction = static_cast<std::uint32_t>(count % 1'000'000);
  if (fraction == 0) return;
  std::array<char, 7> decimals{'.', '0', '0', '0', '0', '0', '0'};
  for (std::size_t i = decimals.size(); i-- > 1; fraction /= 10)
    decimals[i] = static_cast<char>('0' + fraction % 10);
  std::size_t size = decimals.size();
  while (decimals[size - 1] == '0') --size;
  out_.append(decimals.data(), size);
}

}  // namespace sallyport::trace
