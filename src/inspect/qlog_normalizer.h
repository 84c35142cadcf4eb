// QlogNormalizer: one trace's JSON, of any draft, as QlogEvents. The drafts differ in the names of events and
// fields, in whether an event is an object or an array, and in how time counts; all of that is known here and
// nowhere else.
#pragma once

#include "inspect/qlog_event.h"

#include <optional>
#include <string>
#include <vector>

#include <boost/json/fwd.hpp>

namespace sallyport::inspect {

class QlogNormalizer {
 public:
  /// `header` is the object of the trace (without its events, where they are in it); `file_title` stands for
  /// its title where it has none.
  explicit QlogNormalizer(const boost::json::object& header, std::string_view file_title = {});

  const QlogTrace& trace() const { return trace_; }
  /// Fills `event`; null, or what is wrong with `record`. Delta times make calls depend on those before.
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
