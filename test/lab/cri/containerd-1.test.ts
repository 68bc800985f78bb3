import { untouchedHost } from '../host/untouched-host.js'
import { describeRuntime } from './cases.js'

describeRuntime('containerd 1.6', untouchedHost())
