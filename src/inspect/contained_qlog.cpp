#include "inspect/contained_qlog.h"

#include <algorithm>
#include <string>

#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>

namespace sallyport::inspect {
namespace {

namespace json = boost::json;

// The limit for one event or header member. Real ones take kilobytes; a hostile one must not exhaust memory.
constexpr std::size_t max_value_bytes = 32 * 1024 * 1024;
constexpr std::size_t max_traces = 10'000;

/// The handler of basic_parser, called for each token. `place_` is the position in the document; `stack_`
/// builds the current value.
class Handler {
 public:
  static constexpr std::size_t max_object_size = ~std::size_t{0};
  static constexpr std::size_t max_array_size = ~std::size_t{0};
  static constexpr std::size_t max_key_size = 1 << 20;
  static constexpr std::size_t max_string_size = max_value_bytes;

  Handler(ContainedQlog::OnTrace on_trace, ContainedQlog::OnEvent on_event)
      : on_trace_(std::move(on_trace)), on_event_(std::move(on_event)) {
    stack_.reset();
  }

  bool stopped = false;
  const char* complaint = nullptr;  ///< why a callback stopped the parser

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }

  bool on_object_begin(json::error_code& error) {
    if (depth_ > 0) return nest(error);
    if (place_ == Place::outside) return enter(Place::file);
    if (place_ == Place::traces || (place_ == Place::file && key_ == "trace")) {
      is_trace_of_array_ = place_ == Place::traces;
      trace_ = json::object();
      return enter(Place::trace);
    }
    return nest(error);
  }

  bool on_object_end(std::size_t count, json::error_code& error) {
    if (depth_ > 0) {
      --depth_;
      if (is_wanted()) stack_.push_object(count);
      return finish_value(error);
    }
    if (place_ == Place::trace) {
      if (number_ >= max_traces) return refuse(error, "it holds too many traces");
      on_trace_(number_++, trace_);
      place_ = is_trace_of_array_ ? Place::traces : Place::file;
    }
    return true;
  }

  bool on_array_begin(json::error_code& error) {
    if (depth_ == 0 && place_ == Place::file && key_ == "traces") return enter(Place::traces);
    if (depth_ == 0 && place_ == Place::trace && key_ == "events") return enter(Place::events);
    return nest(error);
  }

  bool on_array_end(std::size_t count, json::error_code& error) {
    if (depth_ > 0) {
      --depth_;
      if (is_wanted()) stack_.push_array(count);
      return finish_value(error);
    }
    place_ = place_ == Place::events ? Place::trace : Place::file;
    return true;
  }

  bool on_key_part(json::string_view part, std::size_t, json::error_code& error) {
    if (depth_ == 0) {
      partial_key_.append(part.data(), part.size());
      return true;
    }
    if (is_wanted()) stack_.push_chars(part);
    return grow(part.size(), error);
  }
  bool on_key(json::string_view last, std::size_t, json::error_code& error) {
    if (depth_ == 0) {
      partial_key_.append(last.data(), last.size());
      key_.swap(partial_key_);
      partial_key_.clear();
      return true;
    }
    if (is_wanted()) stack_.push_key(last);
    return grow(last.size(), error);
  }
  bool on_string_part(json::string_view part, std::size_t, json::error_code& error) {
    if (is_wanted()) stack_.push_chars(part);
    return grow(part.size(), error);
  }
  bool on_string(json::string_view last, std::size_t, json::error_code& error) {
    if (is_wanted()) stack_.push_string(last);
    return grow(last.size(), error) && finish_value(error);
  }
  bool on_number_part(json::string_view part, json::error_code& error) { return grow(part.size(), error); }
  bool on_int64(std::int64_t value, json::string_view, json::error_code& error) {
    if (is_wanted()) stack_.push_int64(value);
    return finish_value(error);
  }
  bool on_uint64(std::uint64_t value, json::string_view, json::error_code& error) {
    if (is_wanted()) stack_.push_uint64(value);
    return finish_value(error);
  }
  bool on_double(double value, json::string_view, json::error_code& error) {
    if (is_wanted()) stack_.push_double(value);
    return finish_value(error);
  }
  bool on_bool(bool value, json::error_code& error) {
    if (is_wanted()) stack_.push_bool(value);
    return finish_value(error);
  }
  bool on_null(json::error_code& error) {
    if (is_wanted()) stack_.push_null();
    return finish_value(error);
  }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

 private:
  /// The innermost container that is not part of the value being built.
  enum class Place : std::uint8_t { outside, file, traces, trace, events };

  bool enter(Place place) {
    place_ = place;
    key_.clear();
    return true;
  }
  bool nest(json::error_code& error) {
    ++depth_;
    return grow(0, error);
  }
  bool is_wanted() const { return place_ == Place::trace || (place_ == Place::events && on_event_); }

  bool grow(std::size_t bytes, json::error_code& error) {
    value_bytes_ += bytes + 16;
    return value_bytes_ <= max_value_bytes || refuse(error, "a record is longer than 32 MiB");
  }
  bool refuse(json::error_code& error, const char* why) {
    complaint = why;
    error = json::error::input_error;
    return false;
  }

  /// A value ended; when it is not inside another one, it goes where it belongs.
  bool finish_value(json::error_code& error) {
    if (depth_ > 0) return grow(0, error);
    value_bytes_ = 0;
    if (!is_wanted()) return true;
    json::value value = stack_.release();
    stack_.reset();
    if (place_ == Place::trace) {
      trace_[key_] = std::move(value);
    } else if (!on_event_(number_, value)) {
      stopped = true;
      error = json::error::exception;
      return false;
    }
    return true;
  }

  ContainedQlog::OnTrace on_trace_;
  ContainedQlog::OnEvent on_event_;
  Place place_ = Place::outside;
  bool is_trace_of_array_ = false;
  std::size_t depth_ = 0;  ///< containers open inside the value
  std::size_t value_bytes_ = 0;
  std::size_t number_ = 0;
  std::string key_, partial_key_;
  json::object trace_;
  json::value_stack stack_;
};

json::parse_options options() {
  json::parse_options result;
  result.max_depth = 64;
  return result;
}

}  // namespace

struct ContainedQlog::Parser {
  Parser(OnTrace on_trace, OnEvent on_event) : parser(options(), std::move(on_trace), std::move(on_event)) {}

  Result<> feed(bool more, std::string_view bytes) {
    json::error_code error;
    const std::size_t used = parser.write_some(more, bytes.data(), bytes.size(), error);
    line += static_cast<std::size_t>(
        std::count(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(used), '\n'));
    if (parser.handler().stopped) return {};
    if (!error && used < bytes.size() && bytes.find_first_not_of(" \t\r\n", used) != bytes.npos)
      error = json::error::extra_data;
    if (!error) return {};
    const char* complaint = parser.handler().complaint;
    return fail(ErrorKind::file,
                "line " + std::to_string(line) + ": " + (complaint ? complaint : error.message()));
  }

  json::basic_parser<Handler> parser;
  std::size_t line = 1;
};

ContainedQlog::ContainedQlog(OnTrace on_trace, OnEvent on_event)
    : parser_(std::make_unique<Parser>(std::move(on_trace), std::move(on_event))) {}

ContainedQlog::~ContainedQlog() = default;

Result<> ContainedQlog::feed(std::string_view bytes) {
  return parser_->feed(true, bytes);
}

Result<> ContainedQlog::finish() {
  return parser_->feed(false, {});
}

bool ContainedQlog::is_stopped() const {
  return parser_->parser.handler().stopped;
}

}  // namespace sallyport::inspect
