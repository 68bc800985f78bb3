import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { run, shell } from '../host/process.js'
import { LEASE_FOLDER, STATE_FOLDER } from '../host/snapshot.js'

const IMAGE = '/dev/shm/disk.img'
const CUT_IMAGE = '/dev/shm/disk-after-cut.img'
const MOUNT_POINT = '/run/disk'
const BOOT_ID = '/proc/sys/kernel/random/boot_id'
const OTHER_BOOT_ID = '/run/other-boot-id'

/** Longer than any test: nothing reaches the image by itself, only what is synced. */
const MOUNT_OPTIONS = 'loop,commit=300'

/** What a process runs at the moment of a power cut: what is on the disk now is all there will be. */
export const CUT_POWER = `cp --sparse=always ${IMAGE} ${CUT_IMAGE}`

async function mountDisk(image: string): Promise<void> {
  mkdirSync(MOUNT_POINT, { recursive: true })
  await shell(`
    mount -o ${MOUNT_OPTIONS} ${image} ${MOUNT_POINT}
    mkdir -p ${MOUNT_POINT}/sriov ${MOUNT_POINT}/networks ${STATE_FOLDER} ${LEASE_FOLDER}
    mount --bind ${MOUNT_POINT}/sriov ${STATE_FOLDER}
    mount --bind ${MOUNT_POINT}/networks ${LEASE_FOLDER}`)
}

/** Takes the disk and the other boot away, as far as they are there. */
export async function removeDisk(): Promise<void> {
  for (const path of [BOOT_ID, STATE_FOLDER, LEASE_FOLDER, MOUNT_POINT]) {
    if ((await run('mountpoint', ['-q', path])).exitCode === 0) {
      await shell(`umount ${path}`)
    }
  }
}

/**
 * A new disk, an ext4 image on a loop device, holds the state folder and the leases. `fill` makes what is on it for
 * long: on a machine that is up that is the folders.
 */
export async function useNewDisk(fill: () => void): Promise<void> {
  rmSync(CUT_IMAGE, { force: true })
  await shell(`modprobe -a loop ext4; rm -f ${IMAGE}; truncate -s 32M ${IMAGE}; mkfs.ext4 -q ${IMAGE}`)
  await mountDisk(IMAGE)
  fill()
  await shell(`sync -f ${MOUNT_POINT}`)
}

/** Cuts the power now. */
export const cutPower = (): Promise<string> => shell(CUT_POWER)

/** Boots again with what was on the disk when the power was cut; `meanwhile` is what the boot does to the cards. */
export async function bootAgain(meanwhile: () => Promise<unknown>): Promise<void> {
  await removeDisk()
  await meanwhile()
  if (!existsSync(CUT_IMAGE)) {
    throw new Error('the power was not cut')
  }
  await mountDisk(CUT_IMAGE)
  writeFileSync(OTHER_BOOT_ID, `${randomUUID()}\n`)
  await shell(`mount --bind ${OTHER_BOOT_ID} ${BOOT_ID}`)
}

/** The state files, those of the VFs' marks and claims included; not the locks and the journal. A text for each: name and size. */
export const stateFiles = (): string[] =>
  readdirSync(STATE_FOLDER, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\.lock$|^\.journal(\.1)?$/.test(entry.name))
    .map(({ parentPath, name }) => `${name} of ${statSync(`${parentPath}/${name}`).size} bytes`)
