// JsonText: writes JSON (RFC 8259) by appending to a string, without building a document first. For qlog's
// writer, which writes hundreds of thousands of small objects a second. The caller follows the grammar;
// commas are inserted here.
#pragma once

#include "base/bytes.h"
#include "base/time.h"

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace sallyport::trace {

class JsonText {
 public:
  /// Appends to `out`, which outlives this.
  explicit JsonText(std::string& out) : out_(out) {}

  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }
  /// `name`: a literal that needs no escaping.
  void key(std::string_view name);

  void text(std::string_view value);  ///< escaped; bytes that are not UTF-8 become U+FFFD
  void hex(Bytes value);              ///< lower-case digits
  void boolean(bool value);
  void number(std::uint64_t value);
  void number(std::int64_t value);
  void real(double value);            ///< with three decimals; null if not finite
  void milliseconds(Duration value);  ///< with as many decimals as it needs, at most six

  void text(std::string_view name, std::string_view value) { key(name), text(value); }
  void hex(std::string_view name, Bytes value) { key(name), hex(value); }
  void boolean(std::string_view name, bool value) { key(name), boolean(value); }
  void real(std::string_view name, double value) { key(name), real(value); }
  void milliseconds(std::string_view name, Duration value) { key(name), milliseconds(value); }
  template <std::unsigned_integral T>
  void number(std::string_view name, T value) {
    key(name), number(std::uint64_t{value});
  }
  void object(std::string_view name) { key(name), begin_object(); }
  void array(std::string_view name) { key(name), begin_array(); }

 private:
  void open(char bracket);
  void close(char bracket);
  void separate();

  std::string& out_;
  bool comma_ = false;  ///< not the first in this object or array
};

}  // namespace sallyport::trace
