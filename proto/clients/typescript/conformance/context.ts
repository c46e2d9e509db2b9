import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";

import { type Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";

import { AttachmentService } from "../gen/dafnck/content/v1/attachment_service_pb.js";
import { CommentService } from "../gen/dafnck/content/v1/comment_service_pb.js";
import { AccountService } from "../gen/dafnck/identity/v1/account_service_pb.js";
import { AuthService } from "../gen/dafnck/identity/v1/auth_service_pb.js";
import { MemberService } from "../gen/dafnck/project/v1/member_service_pb.js";
import { ProjectService } from "../gen/dafnck/project/v1/project_service_pb.js";
import { WebhookService } from "../gen/dafnck/project/v1/webhook_service_pb.js";
import { PlanService } from "../gen/dafnck/task/v1/plan_service_pb.js";
import type { Task } from "../gen/dafnck/task/v1/task_pb.js";
import { MilestoneService } from "../gen/dafnck/task/v1/milestone_service_pb.js";
import { TaskService } from "../gen/dafnck/task/v1/task_service_pb.js";
import { TimeEntryService } from "../gen/dafnck/task/v1/time_entry_service_pb.js";
import { type Authorization, bearer } from "../src/calls.js";
import { connect } from "../src/connect.js";
import { type DecodedError, decodeError } from "../src/errors.js";
import type { Session } from "../src/session.js";

export type TaskFields = Partial<Omit<Task, "$typeName" | "$unknown">>;

export type ServiceName = "identity" | "project" | "task" | "content";

interface File {
  id: string;
  bytes: Buffer;
}

/** Returns what it saw; throws if that is not as documented. */
export type Step = (context: Context) => Promise<string>;

/** The longest that the server allows, for machines that are busy with something else. */
const DEADLINE_MS = 30_000;

/** Where the servers are, and what earlier steps have made. */
export class Context {
  readonly targets: Record<ServiceName, string> = {
    identity: environment("DAFNCK_IDENTITY"),
    project: environment("DAFNCK_PROJECT"),
    task: environment("DAFNCK_TASK"),
    content: environment("DAFNCK_CONTENT"),
  };
  readonly run = environment("DAFNCK_RUN");
  readonly username = `${this.run}-olga`;
  readonly email = `${this.username}@example.org`;
  readonly password = "correct horse battery staple";
  readonly #certificateAuthorities = process.env["DAFNCK_TLS_CA"]
    ? readFileSync(process.env["DAFNCK_TLS_CA"])
    : undefined;
  /** To the identity service, anonymous. */
  readonly identity = this.connect("identity");
  #session: Session | undefined;
  #projectId: string | undefined;
  #film: File | undefined;

  get session(): Session {
    return present(this.#session, "sign_up");
  }

  set session(session: Session) {
    this.#session = session;
  }

  get userId(): string {
    return this.session.grant.user?.id ?? "";
  }

  /** The project of the steps that need no other. */
  get projectId(): string {
    return present(this.#projectId, "create");
  }

  set projectId(projectId: string) {
    this.#projectId = projectId;
  }

  /** The attachment of upload_resume. */
  get film(): File {
    return present(this.#film, "upload_resume");
  }

  set film(film: File) {
    this.#film = film;
  }

  readonly authorization: Authorization = (path) => this.session.authorization(path);

  readonly auth = createClient(AuthService, this.connect("identity", this.authorization));
  readonly account = createClient(AccountService, this.connect("identity", this.authorization));
  readonly projects = createClient(ProjectService, this.connect("project", this.authorization));
  readonly members = createClient(MemberService, this.connect("project", this.authorization));
  readonly tasks = createClient(TaskService, this.connect("task", this.authorization));
  readonly plans = createClient(PlanService, this.connect("task", this.authorization));
  readonly milestones = createClient(MilestoneService, this.connect("task", this.authorization));
  readonly timeEntries = createClient(TimeEntryService, this.connect("task", this.authorization));
  readonly attachments = createClient(AttachmentService, this.connect("content", this.authorization));
  readonly comments = createClient(CommentService, this.connect("content", this.authorization));
  readonly webhooks = createClient(WebhookService, this.connect("project", this.authorization));

  /** `target`: instead of the service's own `host:port`. */
  connect(service: ServiceName, authorization?: Authorization, target = this.targets[service]): Transport {
    return connect(`${this.#certificateAuthorities ? "https" : "http"}://${target}`, {
      deadlineMs: DEADLINE_MS,
      ...(authorization && { authorization }),
      ...(this.#certificateAuthorities && { certificateAuthorities: this.#certificateAuthorities }),
    });
  }

  /** Registers another user; returns their id and the authorization of their session. */
  async register(name: string): Promise<{ userId: string; authorization: Authorization }> {
    const username = `${this.run}-${name}`;
    const { result } = await createClient(AuthService, this.identity).register({
      requestId: randomUUID(),
      username,
      email: `${username}@example.org`,
      password: this.password,
    });
    assert(result.case === "sessionGrant");
    const { user, tokens } = result.value;
    return { userId: user?.id ?? "", authorization: bearer(tokens?.sessionToken ?? "") };
  }

  /** Creates a project for one step; returns its id. */
  async newProject(name: string): Promise<string> {
    const project = { name: `${name} ${this.run}` };
    return (await this.projects.createProject({ requestId: randomUUID(), project })).id;
  }

  newTask(title: string, fields: TaskFields = {}): Promise<Task> {
    return this.tasks.createTask({ requestId: randomUUID(), task: { projectId: this.projectId, title, ...fields } });
  }
}

function environment(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

function present<T>(value: T | undefined, step: string): T {
  if (value === undefined) throw new Error(`needs what the step ${step} makes`);
  return value;
}

/** Awaits an error with this code and reason. */
export async function refused(call: Promise<unknown>, code: Code, reason: string): Promise<DecodedError> {
  const error = await call.then(
    () => assert.fail(`expected ${reason}`),
    (cause: unknown) => cause,
  );
  if (!(error instanceof ConnectError)) throw error;
  const decoded = decodeError(error);
  assert.deepEqual([decoded.code, decoded.reason], [code, reason], decoded.message);
  return decoded;
}
