/** What is wrong with drivers, IOMMU and hugepages, where VFs serve programs in user space. */
import type { NetConf } from '../../cni/conf/netconf.js'
import type { FilePort } from '../../host/ports.js'
import { iommuGroupOf, isNoIommuOn } from '../../pci/driver.js'
import { isDriverKnown } from '../../pci/module-aliases.js'
import type { Survey } from '../../sriov/survey/survey.js'
import type { SurveyedVf } from '../../sriov/survey/survey-vf.js'
import type { Finding } from './findings.js'

const VFIO = 'vfio-pci'
const HUGEPAGES = '/sys/kernel/mm/hugepages'

function ofGroups(files: FilePort, vfs: readonly SurveyedVf[]): Finding[] {
  return vfs.flatMap(({ address }): Finding[] => {
    const group = iommuGroupOf(files, address)
    return group && group.strangers.length > 0
      ? [
          {
            id: 'iommu-group-shared',
            subject: address,
            message: `is in IOMMU group ${group.number} with ${group.strangers.map((one) => `${one.address} (${one.driver})`).join(', ')}`,
            remedy: ['# Put the card into another slot, or switch ACS on for the bridge above it.'],
          },
        ]
      : []
  })
}

function ofIommu(files: FilePort, [first]: readonly SurveyedVf[]): Finding[] {
  if (!first) {
    return []
  }
  if (isNoIommuOn(files)) {
    return [
      {
        id: 'iommu-noiommu',
        subject: 'vfio',
        message: 'works without an IOMMU (enable_unsafe_noiommu_mode)',
        remedy: ['# Once the IOMMU is on: echo N > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode'],
      },
    ]
  }
  return iommuGroupOf(files, first.address)
    ? []
    : [
        {
          id: 'iommu-off',
          subject: first.address,
          message: 'has no IOMMU group',
          remedy: ['# Switch the IOMMU on in the firmware, and boot with intel_iommu=on or amd_iommu=on.'],
        },
      ]
}

function ofHugepages(files: FilePort): Finding[] {
  const sizes = files.list(HUGEPAGES)
  const pages = sizes.map((size) => Number(files.readText(`${HUGEPAGES}/${size}/nr_hugepages`)?.trim() ?? '0'))
  return pages.some((count) => count > 0)
    ? []
    : [
        {
          id: 'hugepages-none',
          subject: 'this node',
          message: 'has no hugepages',
          remedy: ['sysctl -w vm.nr_hugepages=1024'],
        },
      ]
}

/** @param confs the configurations on this node; VFs on a user space driver count, too */
export function driverFindings(files: FilePort, { vfs }: Survey, confs: readonly NetConf[]): Finding[] {
  const wanted = [...new Set(confs.flatMap(({ dpdk }) => (dpdk ? [dpdk.driver] : [])))]
  const back = confs.flatMap(({ dpdk }) => dpdk?.kernelDriver ?? [])
  const inUserspace = vfs.filter(({ facts }) => facts.isInUserspace)
  const missing = [...new Set([...wanted, ...back])]
    .filter((driver) => !isDriverKnown(files, driver))
    .map(
      (driver): Finding => ({
        id: 'driver-missing',
        subject: driver,
        message: 'is neither loaded nor a module of this kernel',
        remedy: [`# Install the kernel’s modules, then: modprobe ${driver}`],
      }),
    )
  const concerned = wanted.includes(VFIO) ? vfs : inUserspace.filter(({ facts }) => facts.driver === VFIO)
  const usesDpdk = wanted.length > 0 || inUserspace.length > 0
  return [
    ...missing,
    ...ofIommu(files, concerned),
    ...ofGroups(files, concerned),
    ...(usesDpdk ? ofHugepages(files) : []),
  ]
}
