#include "http/structured_field.h"

#include <cstddef>

namespace sallyport::http {
namespace {

// No number is longer (RFC 9651 §4.2.4), so that all fit 64 bits.
constexpr std::size_t most_integer_digits = 15, most_whole_digits = 12, most_fraction_digits = 3;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_alpha(char c) {
  return is_lower(c) || (c >= 'A' && c <= 'Z');
}
bool is_key_start(char c) {
  return is_lower(c) || c == '*';
}
bool is_key_rest(char c) {
  return is_key_start(c) || is_digit(c) || c == '_' || c == '-' || c == '.';
}
bool is_token_start(char c) {
  return is_alpha(c) || c == '*';
}
bool is_token_rest(char c) {
  return is_alpha(c) || is_digit(c) ||
         std::string_view("!#$%&'*+-.^_`|~:/").find(c) != std::string_view::npos;
}
bool is_base64(char c) {
  return is_alpha(c) || is_digit(c) || c == '+' || c == '/' || c == '=';
}
bool is_printable(char c) {
  return c >= 0x20 && c < 0x7f;
}

/// The algorithms of RFC 9651 §4.2, each of which takes what it reads off the front of the value. False:
/// malformed. Inner Lists do not nest, so neither do these.
class Reader {
 public:
  explicit Reader(std::string_view& rest) : rest_(rest) {}

  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void skip_spaces() {
    while (take(' ')) {
    }
  }
  void skip_white_space() {
    while (take(' ') || take('\t')) {
    }
  }

  bool key(std::string_view& name) {
    if (rest_.empty() || !is_key_start(rest_.front())) return false;
    name = take_while(is_key_rest);
    return true;
  }

  bool item_or_inner_list(StructuredItem& item) {
    if (!rest_.empty() && rest_.front() == '(') return inner_list(item);
    return bare_item(item) && parameters(item.parameters);
  }

  bool parameters(std::string_view& written) {
    const std::string_view before = rest_;
    std::string_view name;
    StructuredItem value;
    while (!rest_.empty() && rest_.front() == ';')
      if (!parameter(name, value)) return false;
    written = taken_since(before);
    return true;
  }

  bool parameter(std::string_view& name, StructuredItem& value) {
    if (!take(';')) return false;
    skip_spaces();
    value = {};
    return key(name) && (!take('=') || bare_item(value));
  }

 private:
  using Kind = StructuredItem::Kind;

  template <class Predicate>
  std::string_view take_while(Predicate&& predicate) {
    std::size_t size = 0;
    while (size < rest_.size() && predicate(rest_[size])) ++size;
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::string_view taken_since(std::string_view before) const {
    return before.substr(0, before.size() - rest_.size());
  }

  bool inner_list(StructuredItem& item) {
    const std::string_view before = rest_;
    rest_.remove_prefix(1);
    while (true) {
      skip_spaces();
      if (take(')')) break;
      StructuredItem member;
      if (!bare_item(member) || !parameters(member.parameters)) return false;
      if (rest_.empty() || (rest_.front() != ' ' && rest_.front() != ')')) return false;
    }
    item = {Kind::inner_list, 0, taken_since(before), {}};
    return parameters(item.parameters);
  }

  bool bare_item(StructuredItem& item) {
    const std::string_view before = rest_;
    item = {Kind::token, 0, {}, {}};
    if (!bare_item_without_text(item)) return false;
    item.written = taken_since(before);
    return true;
  }

  bool bare_item_without_text(StructuredItem& item) {
    if (rest_.empty()) return false;
    const char c = rest_.front();
    if (c == '-' || is_digit(c)) return number(item);
    if (c == '"') return string(item);
    if (c == '?') return boolean(item);
    if (c == ':') return byte_sequence(item);
    if (!is_token_start(c)) return false;
    take_while(is_token_rest);
    return true;
  }

  bool number(StructuredItem& item) {
    const bool negative = take('-');
    const std::string_view whole = take_while(is_digit);
    if (whole.empty() || whole.size() > most_integer_digits) return false;
    item.kind = Kind::integer;
    add_digits(item.number, whole);
    if (take('.')) {
      const std::string_view fraction = take_while(is_digit);
      if (whole.size() > most_whole_digits || fraction.empty() || fraction.size() > most_fraction_digits)
        return false;
      item.kind = Kind::decimal;
      add_digits(item.number, fraction);
      for (std::size_t size = fraction.size(); size < most_fraction_digits; ++size) item.number *= 10;
    }
    if (negative) item.number = -item.number;
    return true;
  }
  static void add_digits(std::int64_t& number, std::string_view digits) {
    for (const char digit : digits) number = number * 10 + (digit - '0');
  }

  bool string(StructuredItem& item) {
    item.kind = Kind::string;
    rest_.remove_prefix(1);
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') return true;
      if (!is_printable(c)) return false;
      if (c == '\\' && !take('"') && !take('\\')) return false;
    }
    return false;
  }

  bool boolean(StructuredItem& item) {
    item.kind = Kind::boolean;
    rest_.remove_prefix(1);
    item.number = take('1') ? 1 : 0;
    return item.number == 1 || take('0');
  }

  /// Whether it decodes is for who wants its octets.
  bool byte_sequence(StructuredItem& item) {
    item.kind = Kind::byte_sequence;
    rest_.remove_prefix(1);
    take_while(is_base64);
    return take(':');
  }

  std::string_view& rest_;
};

}  // namespace

std::string StructuredItem::text() const {
  if (kind != Kind::string) return std::string(written);
  std::string out;
  for (std::size_t at = 1; at + 1 < written.size(); ++at) {
    if (written[at] == '\\') ++at;
    out += written[at];
  }
  return out;
}

bool StructuredField::next(StructuredItem& member) {
  return at_member() && checked(Reader(rest_).item_or_inner_list(member));
}

bool StructuredField::next(std::string_view& key, StructuredItem& member) {
  if (!at_member()) return false;
  Reader reader(rest_);
  member = {};
  if (!checked(reader.key(key))) return false;
  return checked(reader.take('=') ? reader.item_or_inner_list(member) : reader.parameters(member.parameters));
}

/// Goes to where a member begins, if there is another.
bool StructuredField::at_member() {
  if (malformed_) return false;
  Reader reader(rest_);
  if (first_) {
    first_ = false;
    reader.skip_spaces();
    return !rest_.empty();
  }
  reader.skip_white_space();
  if (rest_.empty()) return false;
  if (!checked(reader.take(','))) return false;
  reader.skip_white_space();
  return checked(!rest_.empty());  // a comma at the end
}

bool StructuredField::checked(bool well_formed) {
  malformed_ = !well_formed;
  return well_formed;
}

bool StructuredParameters::next(std::string_view& key, StructuredItem& value) {
  return !rest_.empty() && Reader(rest_).parameter(key, value);
}

bool is_structured_token(std::string_view text) {
  if (text.empty() || !is_token_start(text.front())) return false;
  for (const char c : text)
    if (!is_token_rest(c)) return false;
  return true;
}

void append_structured_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += is_printable(c) ? c : '?';
  }
  out += '"';
}

}  // namespace sallyport::http
