// A contained qlog, one JSON document (older "JSON" format, current "urn:ietf:params:qlog:file:contained"),
// parsed as a stream: only one event at a time is held in memory.
#pragma once

#include "base/result.h"

#include <functional>
#include <memory>
#include <string_view>

#include <boost/json/fwd.hpp>

namespace sallyport::inspect {

class ContainedQlog {
 public:
  /// Called for each element of an "events" array, with the trace's index from 0. False ends the reading.
  using OnEvent = std::function<bool(std::size_t trace, const boost::json::value& event)>;
  /// Called at the end of a trace with all of its members except the events.
  using OnTrace = std::function<void(std::size_t trace, const boost::json::object& header)>;

  /// Without on_event, events are only checked for syntax.
  ContainedQlog(OnTrace on_trace, OnEvent on_event);
  ~ContainedQlog();

  /// The next bytes of the document. An Error names the line.
  Result<> feed(std::string_view bytes);
  /// The end of the input: an Error if the document is incomplete.
  Result<> finish();
  /// on_event returned false.
  bool is_stopped() const;

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace sallyport::inspect
