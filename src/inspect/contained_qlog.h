// A contained qlog, one JSON document (older "JSON" format, current "urn:ietf:params:qlog:file:contained"),
// parsed as a stream: of traces of any length, only one event at a time becomes a value.
#pragma once

#include "base/result.h"

#include <functional>
#include <memory>
#include <string_view>

#include <boost/json/fwd.hpp>

namespace sallyport::inspect {

class ContainedQlog {
 public:
  /// Each element of an "events" array, as it comes; the trace's number counts from 0. False ends the
  /// reading.
  using OnEvent = std::function<bool(std::size_t trace, const boost::json::value& event)>;
  /// The end of a trace: all of its members but the events.
  using OnTrace = std::function<void(std::size_t trace, const boost::json::object& header)>;

  /// With no on_event, events are only checked, and not made into values.
  ContainedQlog(OnTrace on_trace, OnEvent on_event);
  ~ContainedQlog();

  /// The next bytes of the document. An Error's message says the line.
  Result<> feed(std::string_view bytes);
  /// No more bytes come: an Error where the document is not at its end.
  Result<> finish();
  /// on_event said that it is enough.
  bool is_stopped() const;

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace sallyport::inspect
