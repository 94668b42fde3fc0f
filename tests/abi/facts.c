/* SPDX-License-Identifier: BSD-2-Clause */
/* Facts of the binary interface, written down by hand: what the generated headers must say. */
#include <microkit.h>
#include <stddef.h>

#define IS(name, value) _Static_assert((name) == (value), #name " is not " #value)

/* Object types and sizes. */
IS(seL4_UntypedObject, 0);
IS(seL4_TCBObject, 1);
IS(seL4_EndpointObject, 2);
IS(seL4_NotificationObject, 3);
IS(seL4_CapTableObject, 4);
IS(seL4_SchedContextObject, 5);
IS(seL4_ReplyObject, 6);
IS(seL4_NonArchObjectTypeCount, 7);
IS(seL4_RISCV_Giga_Page, 7);
IS(seL4_RISCV_4K_Page, 8);
IS(seL4_RISCV_Mega_Page, 9);
IS(seL4_RISCV_PageTableObject, 10);
IS(seL4_ObjectTypeCount, 11);
IS(seL4_SlotBits, 5);
IS(seL4_TCBBits, 11);
IS(seL4_EndpointBits, 4);
IS(seL4_NotificationBits, 6);
IS(seL4_ReplyBits, 5);
IS(seL4_PageBits, 12);
IS(seL4_LargePageBits, 21);
IS(seL4_HugePageBits, 30);
IS(seL4_PageTableBits, 12);
IS(seL4_VSpaceBits, 12);
IS(seL4_ASIDPoolBits, 12);
IS(seL4_ASIDPoolIndexBits, 9);
IS(seL4_NumASIDPoolsBits, 7);
IS(seL4_MinUntypedBits, 4);
IS(seL4_MaxUntypedBits, 38);
IS(seL4_MinSchedContextBits, 7);
IS(seL4_UntypedRetypeMaxObjects, 256);
IS(seL4_UserTop, 0x0000003ffffff000);
IS(seL4_MaxPrio, 255);

/* Errors and lookup failures. */
IS(seL4_NoError, 0);
IS(seL4_InvalidArgument, 1);
IS(seL4_InvalidCapability, 2);
IS(seL4_IllegalOperation, 3);
IS(seL4_RangeError, 4);
IS(seL4_AlignmentError, 5);
IS(seL4_FailedLookup, 6);
IS(seL4_TruncatedMessage, 7);
IS(seL4_DeleteFirst, 8);
IS(seL4_RevokeFirst, 9);
IS(seL4_NotEnoughMemory, 10);
IS(seL4_NumErrors, 11);
IS(seL4_NoFailure, 0);
IS(seL4_InvalidRoot, 1);
IS(seL4_MissingCapability, 2);
IS(seL4_DepthMismatch, 3);
IS(seL4_GuardMismatch, 4);

/* System calls. */
IS(seL4_SysCall, -1);
IS(seL4_SysReplyRecv, -2);
IS(seL4_SysNBSendRecv, -3);
IS(seL4_SysNBSendWait, -4);
IS(seL4_SysSend, -5);
IS(seL4_SysNBSend, -6);
IS(seL4_SysRecv, -7);
IS(seL4_SysNBRecv, -8);
IS(seL4_SysWait, -9);
IS(seL4_SysNBWait, -10);
IS(seL4_SysYield, -11);
IS(seL4_SysDebugPutChar, -12);
IS(seL4_SysDebugDumpScheduler, -13);
IS(seL4_SysDebugHalt, -14);
IS(seL4_SysDebugCapIdentify, -15);
IS(seL4_SysDebugSnapshot, -16);
IS(seL4_SysDebugNameThread, -17);
IS(seL4_SysDebugSendIPI, -18);
IS(seL4_SysDebugGetThreadAffinity, -19);
IS(seL4_SysDebugRun, -20);
IS(seL4_SysBenchmarkFlushCaches, -21);
IS(seL4_SysBenchmarkNullSyscall, -25);
IS(seL4_SysBenchmarkGetThreadUtilisation, -26);
IS(seL4_SysBenchmarkResetAllThreadsUtilisation, -29);
IS(seL4_SysSetTLSBase, -33);

/* Labels. */
IS(UntypedRetype, 1);
IS(TCBReadRegisters, 2);
IS(TCBWriteRegisters, 3);
IS(TCBCopyRegisters, 4);
IS(TCBConfigure, 5);
IS(TCBSetPriority, 6);
IS(TCBSetMCPriority, 7);
IS(TCBSetSchedParams, 8);
IS(TCBSetTimeoutEndpoint, 9);
IS(TCBSetIPCBuffer, 10);
IS(TCBSetSpace, 11);
IS(TCBSuspend, 12);
IS(TCBResume, 13);
IS(TCBBindNotification, 14);
IS(TCBUnbindNotification, 15);
IS(TCBSetTLSBase, 16);
IS(TCBSetFlags, 17);
IS(CNodeRevoke, 18);
IS(CNodeDelete, 19);
IS(CNodeCancelBadgedSends, 20);
IS(CNodeCopy, 21);
IS(CNodeMint, 22);
IS(CNodeMove, 23);
IS(CNodeMutate, 24);
IS(CNodeRotate, 25);
IS(IRQIssueIRQHandler, 26);
IS(IRQAckIRQ, 27);
IS(IRQSetIRQHandler, 28);
IS(IRQClearIRQHandler, 29);
IS(DomainSetSet, 30);
IS(DomainScheduleConfigure, 31);
IS(DomainScheduleSetStart, 32);
IS(SchedControlConfigureFlags, 33);
IS(SchedContextBind, 34);
IS(SchedContextUnbind, 35);
IS(SchedContextUnbindObject, 36);
IS(SchedContextConsumed, 37);
IS(SchedContextYieldTo, 38);
IS(RISCVPageTableMap, 39);
IS(RISCVPageTableUnmap, 40);
IS(RISCVPageMap, 41);
IS(RISCVPageUnmap, 42);
IS(RISCVPageGetAddress, 43);
IS(RISCVASIDControlMakePool, 44);
IS(RISCVASIDPoolAssign, 45);
IS(RISCVIRQIssueIRQHandlerTrigger, 46);
IS(nInvocationLabels, 39);
IS(nArchInvocationLabels, 47);

/* Initial slots. */
IS(seL4_CapNull, 0);
IS(seL4_CapInitThreadTCB, 1);
IS(seL4_CapInitThreadCNode, 2);
IS(seL4_CapInitThreadVSpace, 3);
IS(seL4_CapIRQControl, 4);
IS(seL4_CapASIDControl, 5);
IS(seL4_CapInitThreadASIDPool, 6);
IS(seL4_CapBootInfoFrame, 9);
IS(seL4_CapInitThreadIPCBuffer, 10);
IS(seL4_CapDomain, 11);
IS(seL4_CapInitThreadSC, 14);
IS(seL4_NumInitialCaps, 16);

/* Faults. */
IS(seL4_Fault_NullFault, 0);
IS(seL4_Fault_CapFault, 1);
IS(seL4_Fault_UnknownSyscall, 2);
IS(seL4_Fault_UserException, 3);
IS(seL4_Fault_Timeout, 5);
IS(seL4_Fault_VMFault, 6);
IS(seL4_CapFault_IP, 0);
IS(seL4_CapFault_Addr, 1);
IS(seL4_CapFault_InRecvPhase, 2);
IS(seL4_CapFault_LookupFailureType, 3);
IS(seL4_CapFault_BitsLeft, 4);
IS(seL4_CapFault_DepthMismatch_BitsFound, 5);
IS(seL4_CapFault_GuardMismatch_GuardFound, 5);
IS(seL4_CapFault_GuardMismatch_BitsFound, 6);
IS(seL4_VMFault_IP, 0);
IS(seL4_VMFault_Addr, 1);
IS(seL4_VMFault_PrefetchFault, 2);
IS(seL4_VMFault_FSR, 3);
IS(seL4_VMFault_Length, 4);
IS(seL4_UserException_FaultIP, 0);
IS(seL4_UserException_SP, 1);
IS(seL4_UserException_Number, 2);
IS(seL4_UserException_Code, 3);
IS(seL4_UserException_Length, 4);
IS(seL4_UnknownSyscall_FaultIP, 0);
IS(seL4_UnknownSyscall_SP, 1);
IS(seL4_UnknownSyscall_RA, 2);
IS(seL4_UnknownSyscall_A0, 3);
IS(seL4_UnknownSyscall_A6, 9);
IS(seL4_UnknownSyscall_Syscall, 10);
IS(seL4_UnknownSyscall_Length, 11);
IS(seL4_Timeout_Data, 0);
IS(seL4_Timeout_Consumed, 1);
IS(seL4_TimeoutReply_FaultIP, 0);
IS(seL4_TimeoutReply_s11, 15);
IS(seL4_TimeoutReply_a7, 23);
IS(seL4_TimeoutReply_TP, 31);
IS(seL4_TimeoutReply_Length, 32);

/* Layouts. */
IS(sizeof(seL4_IPCBuffer), 1024);
IS(offsetof(seL4_IPCBuffer, msg), 8);
IS(offsetof(seL4_IPCBuffer, userData), 968);
IS(offsetof(seL4_IPCBuffer, caps_or_badges), 976);
IS(offsetof(seL4_IPCBuffer, receiveCNode), 1000);
IS(offsetof(seL4_IPCBuffer, receiveIndex), 1008);
IS(offsetof(seL4_IPCBuffer, receiveDepth), 1016);
IS(sizeof(seL4_UserContext), 256);
IS(offsetof(seL4_UserContext, sp), 16);
IS(offsetof(seL4_UserContext, s0), 32);
IS(offsetof(seL4_UserContext, a0), 128);
IS(offsetof(seL4_UserContext, t0), 192);
IS(offsetof(seL4_UserContext, tp), 248);
IS(sizeof(seL4_BootInfo), 3864);
IS(offsetof(seL4_BootInfo, ipcBuffer), 32);
IS(offsetof(seL4_BootInfo, empty), 40);
IS(offsetof(seL4_BootInfo, userImageFrames), 72);
IS(offsetof(seL4_BootInfo, userImagePaging), 88);
IS(offsetof(seL4_BootInfo, extraBIPages), 120);
IS(offsetof(seL4_BootInfo, initThreadCNodeSizeBits), 136);
IS(offsetof(seL4_BootInfo, schedcontrol), 152);
IS(offsetof(seL4_BootInfo, untyped), 168);
IS(offsetof(seL4_BootInfo, untypedList), 184);
IS(sizeof(seL4_UntypedDesc), 16);
IS(offsetof(seL4_UntypedDesc, sizeBits), 8);
IS(offsetof(seL4_UntypedDesc, isDevice), 9);
IS(SEL4_BOOTINFO_HEADER_FDT, 6);

/* What stubs pass must have these sizes. */
IS(sizeof(seL4_MessageInfo_t), 8);
IS(sizeof(seL4_CapRights_t), 8);
IS(sizeof(seL4_RISCV_VMAttributes), 8);
IS(sizeof(seL4_Time), 8);
IS(sizeof(seL4_Bool), 1);

/* A component's slots. */
IS(MONITOR_EP, 5);
IS(TCB_CAP, 6);
IS(BASE_OUTPUT_NOTIFICATION_CAP, 10);
IS(BASE_ENDPOINT_CAP, 74);
IS(BASE_IRQ_CAP, 138);
IS(BASE_TCB_CAP, 202);
IS(BASE_VM_TCB_CAP, 266);
IS(BASE_VCPU_CAP, 330);
IS(BASE_IOPORT_CAP, 394);
IS(BASE_USER_CAPS, 458);
IS(MICROKIT_MAX_CHANNELS, 62);
IS(MICROKIT_PD_NAME_LENGTH, 64);
