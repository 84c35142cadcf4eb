// H2FieldList: a field section as nghttp2 takes it, pseudo-headers first. Refers to the strings it was given.
// One a connection, so that its memory is used again. Used by H2Connection.
#pragma once

#include "http/message.h"

#include <array>
#include <string_view>
#include <vector>

#include <nghttp2/nghttp2.h>

namespace sallyport::http {

class H2FieldList {
 public:
  /// These replace what was there before. They leave out fields that may not be sent (may_be_sent()).
  void set(const Request& request);
  void set(const Response& response);
  void set(const Fields& trailers);

  const nghttp2_nv* data() const { return pairs_.data(); }
  std::size_t size() const { return pairs_.size(); }

 private:
  void add(std::string_view name, std::string_view value);
  void add(const Fields& fields);

  std::vector<nghttp2_nv> pairs_;
  std::array<char, 3> status_{};
  std::string priority_;
};

}  // namespace sallyport::http
