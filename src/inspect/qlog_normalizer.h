// QlogNormalizer: one trace's JSON, of any draft, as QlogEvents. The drafts differ in the names of events and
// fields, in events as objects or arrays, and in time formats; only this file handles the differences.
#pragma once

#include "inspect/qlog_event.h"

#include <optional>
#include <string>
#include <vector>

#include <boost/json/fwd.hpp>

namespace sallyport::inspect {

class QlogNormalizer {
 public:
  /// `header`: the trace object, without its events; `file_title`: used if the trace has no title.
  explicit QlogNormalizer(const boost::json::object& header, std::string_view file_title = {});

  const QlogTrace& trace() const { return trace_; }
  /// Fills `event`; returns null, or the fault of `record`. Call it in order, because times may be deltas.
  const char* read(const boost::json::value& record, QlogEvent& event);

 private:
  const char* read_fields(const boost::json::value& record, const boost::json::value*& time,
                          std::string& name, const boost::json::object*& data,
                          const boost::json::value*& group) const;
  double scaled(double time, bool is_delta);

  QlogTrace trace_;
  std::vector<std::string> event_fields_;  ///< column names of events that are arrays
  std::string common_name_;                ///< of events without a name of their own
  bool delta_ = false;
  double unit_ = 1;  ///< milliseconds
  double previous_ = 0;
};

}  // namespace sallyport::inspect
