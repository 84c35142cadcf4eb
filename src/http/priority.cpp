#include "http/priority.h"

#include <cstdint>

namespace sallyport::http {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_alpha(char c) {
  return is_lower(c) || (c >= 'A' && c <= 'Z');
}

/// What an item was, as far as u and i need to know.
struct Item {
  enum class Kind : std::uint8_t { integer, boolean, other } kind = Kind::other;
  std::int64_t value = 0;
};

/// Reads a dictionary of RFC 8941 §4.2.2. Each function returns false where parsing fails, which voids the
/// whole field.
class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  bool dictionary(Priority& priority) {
    skip(' ');
    while (!rest_.empty()) {
      std::string_view name;
      Item item{Item::Kind::boolean, 1};
      if (!key(name)) return false;
      if (take('=')) {
        if (!item_or_inner_list(item)) return false;
      } else if (!parameters()) {
        return false;
      }
      apply(name, item, priority);
      skip_white();
      if (rest_.empty()) return true;
      if (!take(',')) return false;
      skip_white();
      if (rest_.empty()) return false;  // a comma at the end
    }
    return true;
  }

 private:
  static void apply(std::string_view name, const Item& item, Priority& priority) {
    if (name == "u") {
      const bool fits = item.kind == Item::Kind::integer && item.value >= 0 && item.value <= 7;
      priority.urgency = fits ? static_cast<std::uint8_t>(item.value) : Priority{}.urgency;
    } else if (name == "i") {
      priority.incremental = item.kind == Item::Kind::boolean && item.value != 0;
    }
  }

  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void skip(char c) {
    while (take(c)) {
    }
  }
  void skip_white() {
    while (take(' ') || take('\t')) {
    }
  }

  bool key(std::string_view& name) {
    std::size_t size = 0;
    while (size < rest_.size()) {
      const char c = rest_[size];
      if (!(is_lower(c) || c == '*' || (size > 0 && (is_digit(c) || c == '_' || c == '-' || c == '.'))))
        break;
      ++size;
    }
    name = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return size > 0;
  }

  bool item_or_inner_list(Item& item) {
    if (!take('(')) return bare_item(item) && parameters();
    item = {};
    while (true) {
      skip(' ');
      if (take(')')) return parameters();
      Item member;
      if (!bare_item(member) || !parameters()) return false;
      if (rest_.empty() || (rest_.front() != ' ' && rest_.front() != ')')) return false;
    }
  }

  bool parameters() {
    while (take(';')) {
      skip(' ');
      std::string_view name;
      Item item;
      if (!key(name)) return false;
      if (take('=') && !bare_item(item)) return false;
    }
    return true;
  }

  bool bare_item(Item& item) {
    item = {};
    if (rest_.empty()) return false;
    const char c = rest_.front();
    if (c == '-' || is_digit(c)) return number(item);
    if (c == '"') return string();
    if (c == '?') return boolean(item);
    if (c == ':') return byte_sequence();
    if (is_alpha(c) || c == '*') return token();
    return false;
  }

  bool number(Item& item) {
    const bool negative = take('-');
    std::size_t digits = 0;
    std::int64_t value = 0;
    for (; !rest_.empty() && is_digit(rest_.front()); rest_.remove_prefix(1)) {
      if (++digits > 15) return false;
      value = value * 10 + (rest_.front() - '0');
    }
    if (digits == 0) return false;
    if (!take('.')) {
      item = {Item::Kind::integer, negative ? -value : value};
      return true;
    }
    std::size_t fraction = 0;
    for (; !rest_.empty() && is_digit(rest_.front()); rest_.remove_prefix(1)) ++fraction;
    return digits <= 12 && fraction >= 1 && fraction <= 3;
  }

  bool string() {
    rest_.remove_prefix(1);
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') return true;
      if (c < 0x20 || c > 0x7e) return false;
      if (c == '\\' && !take('"') && !take('\\')) return false;
    }
    return false;
  }

  bool boolean(Item& item) {
    rest_.remove_prefix(1);
    item = {Item::Kind::boolean, 1};
    if (take('1')) return true;
    item.value = 0;
    return take('0');
  }

  bool byte_sequence() {
    rest_.remove_prefix(1);
    while (!rest_.empty()) {
      if (take(':')) return true;
      const char c = rest_.front();
      if (!(is_alpha(c) || is_digit(c) || c == '+' || c == '/' || c == '=')) return false;
      rest_.remove_prefix(1);
    }
    return false;
  }

  bool token() {
    constexpr std::string_view others = "!#$%&'*+-.^_`|~:/";
    while (!rest_.empty() && (is_alpha(rest_.front()) || is_digit(rest_.front()) ||
                              others.find(rest_.front()) != std::string_view::npos))
      rest_.remove_prefix(1);
    return true;
  }

  std::string_view rest_;
};

}  // namespace

std::optional<Priority> parse_priority(std::string_view value) {
  Priority priority;
  if (!Parser(value).dictionary(priority)) return std::nullopt;
  return priority;
}

std::string format_priority(const Priority& priority) {
  std::string text;
  if (priority.urgency != Priority{}.urgency) {
    text = "u=";
    text += static_cast<char>('0' + priority.urgency);
  }
  if (priority.incremental) text += text.empty() ? "i" : ", i";
  return text;
}

}  // namespace sallyport::http
