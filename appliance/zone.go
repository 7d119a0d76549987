package appliance

import _ "time/tzdata" // the image has no zone database of its own
