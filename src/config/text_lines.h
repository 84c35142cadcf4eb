// TextLines: text for people, made line by line: what `sallyport gateway --check` prints. Used by
// configuration_text and by the gateway for the settings of its process.
#pragma once

#include <cstddef>
#include <iterator>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace sallyport::config {

class TextLines {
 public:
  /// `depth`: how far the line is indented, in steps of two blanks.
  template <class... Args>
  void line(int depth, fmt::format_string<Args...> format, Args&&... args) {
    text_.append(static_cast<std::size_t>(depth) * 2, ' ');
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    text_ += '\n';
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace sallyport::config
