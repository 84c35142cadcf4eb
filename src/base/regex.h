// Regex and RegexSet: regular expressions of users, by RE2: linear time in the text, bounded memory. They
// match whole texts. Immutable; copies share what is compiled.
#pragma once

#include "base/result.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace re2 {
class RE2;
}

namespace sallyport {

class Regex {
 public:
  /// In RE2's syntax. An error of kind usage says what is wrong with it, in a sentence's part ("missing ):
  /// (a").
  static Result<Regex> make(std::string_view pattern);
  bool matches(std::string_view text) const;

 private:
  explicit Regex(std::shared_ptr<const re2::RE2> compiled) : compiled_(std::move(compiled)) {}
  std::shared_ptr<const re2::RE2> compiled_;
};

/// Many of them, tried in one pass over the text.
class RegexSet {
 public:
  RegexSet() = default;
  /// Patterns that Regex::make() took.
  explicit RegexSet(const std::vector<std::string>& patterns);
  bool empty() const { return compiled_ == nullptr; }
  /// The indexes of those that match, ascending.
  std::vector<std::size_t> matches(std::string_view text) const;

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace sallyport
