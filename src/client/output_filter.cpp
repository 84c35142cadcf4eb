#include "client/output_filter.h"

#include <algorithm>

namespace sallyport::client {

Result<> HeadedOutput::write_head(std::string_view text) {
  heads_ += text;
  return inner().partial_path().empty() ? write_heads() : Result<>{};
}

Result<> HeadedOutput::write_heads() {
  if (heads_.empty()) return {};
  const std::string text = std::exchange(heads_, {});
  const std::uint64_t at = std::exchange(before_, before_ + text.size());
  return inner().write_at(at, as_bytes(text));
}

Result<> HeadedOutput::write_at(std::uint64_t offset, Bytes bytes) {
  if (auto written = write_heads(); !written) return written;
  return inner().write_at(before_ + offset, bytes);
}

Result<> HeadedOutput::truncate() {
  before_ = 0;
  return inner().truncate();
}

Result<> HeadedOutput::complete() {
  if (auto written = write_heads(); !written) return written;
  return inner().complete();
}

Result<> TerminalGuard::write_at(std::uint64_t offset, Bytes bytes) {
  constexpr std::uint64_t looked_at = 2000;
  const auto front =
      bytes.first(offset < looked_at ? std::min<std::size_t>(bytes.size(), looked_at - offset) : 0);
  if (std::find(front.begin(), front.end(), std::uint8_t{0}) != front.end())
    return fail(ErrorKind::file,
                "the body is binary and could upset the terminal; write it to a file with -o FILE, or to the "
                "terminal all the "
                "same with -o -");
  return inner().write_at(offset, bytes);
}

}  // namespace sallyport::client
