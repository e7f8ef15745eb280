"""Documents that applications keep."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from components.records.tables.types import Instant, Json, Name

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "ml_documents",
        sa.Column("entity_type", Name(50), nullable=False),
        sa.Column("entity_id", Name(100), nullable=False),
        sa.Column("document", Json(), nullable=False),
        sa.Column("user_pseudonym", Name(64), nullable=True),
        sa.Column("caller", Name(64), nullable=True),
        sa.Column("created_at", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.Column("updated_at", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.PrimaryKeyConstraint("entity_type", "entity_id", name=op.f("pk_ml_documents")),
    )
    with op.batch_alter_table("ml_documents") as table:
        table.create_index("idx_documents_user", ["user_pseudonym"])
        table.create_index("idx_documents_caller", ["caller"])


def downgrade() -> None:
    """Drop it, with every document."""
    op.drop_table("ml_documents")
